"""Keys of tags that no service takes."""

import pytest

from wildsage.core.errors import ServiceError, ValidationError
from wildsage.services.tag_rules import check_tags


def pairs(*keys):
    return [{"Key": key, "Value": "v"} for key in keys]


def test_keys_of_ones_own_are_fine():
    check_tags(pairs("a", "A", "my-aws:x"))
    check_tags({"a": "1", "A": "2"})


@pytest.mark.parametrize(
    ("tags", "said"),
    [
        (pairs("a", "AWS:b"), "reserved for system use: 'AWS:b'"),
        ({"aws:b": "v"}, "reserved for system use: 'aws:b'"),
        (pairs("a", "b", "a"), "Duplicate tag keys found: 'a'"),
    ],
)
def test_reserved_and_repeated_keys_are_refused(tags, said):
    with pytest.raises(ValidationError, match=said):
        check_tags(tags)


def test_a_service_says_it_with_its_error_and_may_ignore_case():
    def error(text):
        return ServiceError(text, code="InvalidInput", status=400)

    with pytest.raises(ServiceError, match="in whatever case") as caught:
        check_tags(pairs("a", "A"), error, ignore_case=True)
    assert caught.value.code == "InvalidInput"
