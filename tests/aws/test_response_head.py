import pytest

from wildsage.aws.http import HttpResponse
from wildsage.aws.response_head import Framing, response_head, short_response
from wildsage.core.streams import ByteStream


def head(response, *, bodiless=False, keep_alive=True, may_chunk=True):
    text, framing = response_head(response, bodiless=bodiless, keep_alive=keep_alive, may_chunk=may_chunk)
    status, *lines, blank, rest = text.decode("latin-1").split("\r\n")
    assert (blank, rest) == ("", "")
    return status, lines, framing


def stream(length=None):
    return ByteStream(None, length)  # never iterated


def test_a_body_in_memory_has_its_length():
    assert head(HttpResponse(200, [("Content-Type", "text/csv")], b"1,2")) == (
        "HTTP/1.1 200 OK",
        ["content-type: text/csv", "content-length: 3"],
        Framing(3, bare=False, chunked=False, keeps_connection=True),
    )


def test_a_stream_without_a_length_comes_in_chunks():
    _, lines, framing = head(HttpResponse(200, [], stream()))

    assert lines == ["transfer-encoding: chunked"]
    assert framing.chunked


def test_a_client_that_knows_no_chunks_reads_to_the_end_of_the_connection():
    _, lines, framing = head(HttpResponse(200, [], stream()), may_chunk=False)

    assert lines == ["connection: close"]
    assert not framing.keeps_connection


def test_a_stated_length_counts_and_is_not_repeated():
    _, lines, framing = head(HttpResponse(200, [("Content-Length", "5")], stream()))

    assert lines == ["content-length: 5"]
    assert framing.length == 5


@pytest.mark.parametrize("status", [204, 304])
def test_what_has_no_body_says_no_length(status):
    _, lines, framing = head(HttpResponse(status))

    assert lines == []
    assert framing.bare


def test_an_answer_to_head_says_the_length_of_what_is_not_sent():
    _, lines, framing = head(HttpResponse(200, [], b"abc"), bodiless=True)

    assert lines == ["content-length: 3"]
    assert framing.bare


@pytest.mark.parametrize("evil", ["a\r\nSet-Cookie: b", "a\nb", "a\0b", "a\x1bb"])
def test_values_cannot_break_out_of_their_line(evil):
    _, lines, _ = head(HttpResponse(200, [("x-a", "ü\tö"), ("x-b", evil)]))

    assert lines[0] == "x-a: ü\tö"
    assert lines[1].startswith("x-b: a ")
    assert not any(ord(character) < 32 for character in lines[1])


@pytest.mark.parametrize("name", ["a b", "a:", "a\r\n", "", "ü"])
def test_a_name_that_is_none_is_an_error(name):
    with pytest.raises(ValueError, match="not the name of a header field"):
        head(HttpResponse(200, [(name, "value")]))


def test_what_is_no_latin_1_does_not_fail():
    _, lines, _ = head(HttpResponse(200, [("x-a", "日")]))

    assert lines[0] == "x-a: ?"


def test_a_last_word_closes_the_connection():
    assert short_response(431, "too large") == (
        b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-type: text/plain\r\n"
        b"content-length: 10\r\nconnection: close\r\n\r\ntoo large\n"
    )
