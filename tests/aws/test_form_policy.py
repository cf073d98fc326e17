"""Policies of browsers' uploads: what they demand, and what is no policy."""

import base64
import json

import pytest

from wildsage.aws.form_policy import SizeRange, check_policy
from wildsage.core.errors import ServiceError

NOW = 1_700_000_000.0
FIELDS = {"bucket": "data", "key": "up/a", "policy": "x", "x-ignore-me": "y"}
CONDITIONS = [{"bucket": "data"}, ["starts-with", "$key", "up/"]]


def policy(conditions=CONDITIONS, expiration="2030-01-01T00:00:00Z"):
    document = {"expiration": expiration, "conditions": conditions}
    return base64.b64encode(json.dumps(document).encode()).decode()


def test_a_form_that_keeps_its_policy():
    assert check_policy(policy(), FIELDS, NOW) == SizeRange()
    ranged = policy([*CONDITIONS, ["content-length-range", "1", 5]])
    assert check_policy(ranged, FIELDS, NOW) == SizeRange(1, 5)
    typed = policy([*CONDITIONS, ["STARTS-WITH", "$Content-Type", "image/"]])
    assert check_policy(typed, {**FIELDS, "content-type": "image/png,image/gif"}, NOW) == SizeRange()


@pytest.mark.parametrize(
    ("text", "fields", "code"),
    [
        (policy(expiration="2020-01-01T00:00:00Z"), {}, "AccessDenied"),
        (policy([{"bucket": "other"}, ["eq", "$key", "up/a"]]), {}, "AccessDenied"),
        (policy([{"bucket": "data"}, ["eq", "$key", "up/b"]]), {}, "AccessDenied"),
        (policy([["starts-with", "$key", ""]]), {}, "AccessDenied"),
        (policy(), {"acl": "private"}, "AccessDenied"),
        (policy([]), {}, "InvalidPolicyDocument"),
        (policy(expiration="tomorrow"), {}, "InvalidPolicyDocument"),
        (policy(expiration=5), {}, "InvalidPolicyDocument"),
        (policy([*CONDITIONS, ["like", "$key", "up"]]), {}, "InvalidPolicyDocument"),
        (policy([*CONDITIONS, ["content-length-range", 0]]), {}, "InvalidPolicyDocument"),
        (policy([*CONDITIONS, ["content-length-range", -1, 0]]), {}, "InvalidPolicyDocument"),
        (base64.b64encode(b"{").decode(), {}, "InvalidPolicyDocument"),
        (base64.b64encode(b'{"Expiration": 1}').decode(), {}, "InvalidPolicyDocument"),
        ("no base64", {}, "InvalidPolicyDocument"),
    ],
)
def test_a_form_that_does_not(text, fields, code):
    with pytest.raises(ServiceError) as caught:
        check_policy(text, FIELDS | fields, NOW)
    assert caught.value.code == code
