"""Page tokens continue their own request only."""

import pytest

from wildsage.core.errors import ValidationError
from wildsage.core.pagination import decode_token, encode_token


def test_a_token_gives_back_its_position():
    request = {"NameContains": "x", "MaxResults": 5}
    token = encode_token(request, ["name", 7])
    assert decode_token({**request, "MaxResults": 9, "NextToken": token}) == ["name", 7]
    assert decode_token(request) is None


@pytest.mark.parametrize("token", ["!!", "Zm9v", "bnVsbA==", "WzFd", "é", "W1tb" * 2_000])
def test_a_made_up_token_is_refused(token):
    with pytest.raises(ValidationError, match="Invalid NextToken"):
        decode_token({"NextToken": token})


def test_a_token_of_another_query_is_refused():
    token = encode_token({"NameContains": "x"}, [1])
    with pytest.raises(ValidationError, match="same filters"):
        decode_token({"NameContains": "y", "NextToken": token})


def test_a_position_of_another_length_is_refused():
    token = encode_token({}, ["name"])
    with pytest.raises(ValidationError, match="Invalid NextToken"):
        decode_token({"NextToken": token}, length=2)
