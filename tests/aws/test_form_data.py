"""Forms, however their bytes are cut."""

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wildsage.aws.form_data import boundary_of, read_form
from wildsage.core.errors import ServiceError
from wildsage.core.streams import ByteStream

HEAD = b"Content-Disposition: form-data; name="


def stream(body, size):
    async def chunks():
        for start in range(0, len(body), size):
            yield body[start : start + size]

    return ByteStream(chunks())


async def read(body, size=7):
    form = await read_form(stream(body, size), "b")
    return form.fields, form.file_name, await form.file.read(1 << 20)


@given(st.lists(st.sampled_from([b"\r\n--", b"\r\n", b"--b", b"a", b"-"]), max_size=8), st.integers(1, 40))
@settings(max_examples=60, deadline=None)
def test_any_file_in_any_chunks(pieces, size):
    file = b"".join(pieces).replace(b"\r\n--b", b"")
    if b"\r\n--b" in file:
        return
    body = b"--b\r\n" + HEAD + b'"key"\r\n\r\nvalue\r\n--b\r\n' + HEAD
    body += b'"file"; filename="n.txt"\r\nContent-Type: a/b\r\n\r\n' + file + b"\r\n--b--\r\n"
    assert asyncio.run(read(body, size)) == ({"key": "value"}, "n.txt", file)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "MalformedPOSTRequest"),
        (b"--b--", "InvalidArgument"),
        (b"--b\r\nX: y\r\n\r\n\r\n--b--", "MalformedPOSTRequest"),
        (b"--b\r\n" + HEAD + b'"file"\r\n\r\ncut', "MalformedPOSTRequest"),
        (b"--b\r\n" + HEAD + b'"a"\r\n\r\n' + b"x" * 30_000 + b"\r\n--b--", "MaxPostPreDataLengthExceeded"),
        (b"--b\r\n" + b"x" * 20_000, "MalformedPOSTRequest"),
    ],
)
def test_what_is_no_form(body, code):
    with pytest.raises(ServiceError) as caught:
        asyncio.run(read(body, 1000))
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("header", "boundary"),
    [
        ("multipart/form-data; boundary=b", "b"),
        ('Multipart/Form-Data; boundary="a b"', "a b"),
        ("multipart/form-data", None),
        ("multipart/mixed; boundary=b", None),
        ("", None),
    ],
)
def test_boundaries(header, boundary):
    assert boundary_of(header) == boundary
