"""A connection that breaks after its last words."""

import asyncio
import socket
import struct

import pytest

from wildsage.clients.streams import LastWordsReader, open_stream


def broken_after(content: bytes) -> LastWordsReader:
    reader = LastWordsReader(loop=asyncio.get_running_loop())
    reader.feed_data(content)
    reader.set_exception(ConnectionResetError("gone"))
    return reader


@pytest.mark.parametrize(
    "rest",
    [
        lambda reader: reader.read(10),
        lambda reader: reader.readexactly(1),
        lambda reader: reader.readuntil(b"\n"),
    ],
)
def test_what_came_is_read_before_the_break(rest):
    async def story():
        reader = broken_after(b"line\nrest")
        assert await reader.readuntil(b"\n") == b"line\n"
        assert await reader.readexactly(2) == b"re"
        assert await reader.read(10) == b"st"
        with pytest.raises(ConnectionResetError, match="gone"):
            await rest(reader)

    asyncio.run(story())


def test_a_break_is_no_end():
    async def story():
        with pytest.raises(ConnectionResetError, match="gone"):
            await broken_after(b"half a li").readuntil(b"\n")
        with pytest.raises(ConnectionResetError, match="gone"):
            await broken_after(b"half").readexactly(8)
        whole = LastWordsReader(loop=asyncio.get_running_loop())
        whole.feed_eof()
        assert await whole.read(1) == b""

    asyncio.run(story())


def test_a_server_that_resets_after_its_answer_is_heard():
    async def story(listener: socket.socket):
        reader, writer = await open_stream(*listener.getsockname())
        connection, _ = await asyncio.to_thread(listener.accept)
        connection.sendall(b"413")
        assert await reader.readexactly(1) == b"4"
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()
        with pytest.raises(OSError):  # noqa: PT012 - the break shows at some write
            while True:
                writer.write(b"x" * 1000)
                await writer.drain()
        assert await reader.readexactly(2) == b"13"
        with pytest.raises(OSError):
            await reader.read(1)
        writer.close()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        asyncio.run(story(listener))
