"""Page tokens continue their own request only."""

import pytest

from wildsage.core.pagination import decode_token, encode_token


def test_a_token_gives_back_its_position():
    filters = {"NameContains": "x"}
    assert decode_token(filters, encode_token(filters, ["name", 7])) == ["name", 7]


@pytest.mark.parametrize("token", ["!!", "Zm9v", "bnVsbA==", "WzFd", "é", "W1tb" * 2_000])
def test_a_made_up_token_is_refused(token):
    with pytest.raises(ValueError, match="not made"):
        decode_token({}, token)


def test_a_token_of_another_query_is_refused():
    token = encode_token({"NameContains": "x"}, [1])
    with pytest.raises(ValueError, match="this request"):
        decode_token({"NameContains": "y"}, token)


def test_a_position_of_another_length_is_refused():
    with pytest.raises(ValueError, match="no position"):
        decode_token({}, encode_token({}, ["name"]), length=2)
