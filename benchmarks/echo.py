"""Answers what it is sent, under uvicorn: ``python echo.py PORT``, or ``serve`` as a model container."""

import os
import sys

import uvicorn


async def echo(scope, receive, send):
    assert scope["type"] == "http"
    body = b""
    more = True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    headers = [(b"content-type", b"text/csv"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def main(place: str) -> None:
    where = {"uds": os.environ["WILDSAGE_BIND_SOCKET"]} if place == "serve" else {"port": int(place)}
    uvicorn.run(
        echo, **where, loop="uvloop", http="httptools", ws="none", lifespan="off", access_log=False
    )  # fmt: skip


if __name__ == "__main__":
    main(sys.argv[1])
