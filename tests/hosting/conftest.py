import asyncio
import os
import socket
from contextlib import contextmanager

import pytest


class ScriptedServer:
    """A server on a Unix socket that answers each connection with what the test says."""

    def __init__(self, path):
        self.path = path
        self.requests = []
        self.connections = 0
        self.behaviour = self.reply(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        self._server = None
        self._tasks = set()

    @staticmethod
    def reply(answer, *, close=False):
        async def behave(server, reader, writer):
            while (request := await server.read_request(reader)) is not None:
                server.requests.append(request)
                writer.write(answer)
                await writer.drain()
                if close:
                    return

        return behave

    async def read_request(self, reader):
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            return None
        length = 0
        for line in head.split(b"\r\n"):
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        return head, await reader.readexactly(length)

    async def _serve(self, reader, writer):
        self.connections += 1
        self._tasks.add(asyncio.current_task())
        try:
            await self.behaviour(self, reader, writer)
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    async def __aenter__(self):
        listener = socket.socket(socket.AF_UNIX)
        with short_name(self.path.parent) as short:
            listener.bind(f"{short}/{self.path.name}")
        self._server = await asyncio.start_unix_server(self._serve, sock=listener)
        return self

    async def __aexit__(self, *_):
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


@contextmanager
def short_name(folder):
    """Name a folder of any depth in a few bytes."""
    descriptor = os.open(folder, os.O_PATH)
    try:
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)


@pytest.fixture
def scripted_server(tmp_path):
    deep = tmp_path / ("d" * 100)
    deep.mkdir()
    return ScriptedServer(deep / "serve.sock")
