"""The proxies of runs: how a server orders them, and one as a process of its own."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from wildsage.clients.run_proxies import RunProxies
from wildsage.store.layout import Layout

from .support import echo_server


@pytest.fixture
def layout(tmp_path):
    layout = Layout(tmp_path / "data")
    layout.make()
    return layout


def test_the_command_is_the_same_until_its_bundle_is_gone(layout):
    proxies = RunProxies(layout, "http://127.0.0.1:1", {})
    first = proxies.command()
    assert first is proxies.command()
    Path(first.bundle).unlink()
    assert proxies.command() == first
    assert b"BEGIN CERTIFICATE" in Path(first.bundle).read_bytes()


@pytest.mark.parametrize(
    ("environ", "schemes"),
    [
        ({}, ("HTTPS",)),
        ({"https_proxy": "http://corporate:1"}, ("HTTPS",)),
        ({"HTTP_PROXY": "http://corporate:1"}, ("HTTP", "HTTPS")),
    ],
)
def test_plain_http_takes_the_proxy_where_this_machine_needs_one(layout, environ, schemes):
    assert RunProxies(layout, "http://127.0.0.1:1", environ).command().schemes == schemes


def test_an_authority_that_others_can_read_gives_none_and_a_line_in_the_log(layout, caplog):
    RunProxies(layout, "http://127.0.0.1:1", {}).command()
    (layout.authority / "authority.pem").chmod(0o644)
    assert RunProxies(layout, "http://127.0.0.1:1", {}).command() is None
    assert "jobs have no way to AWS's own host names" in caplog.text
    assert "remove the file" in caplog.text


def test_the_process_answers_an_aws_host_and_ends_with_its_input(layout):
    with echo_server() as server, socket.create_server(("127.0.0.1", 0)) as listener:
        command = RunProxies(layout, server.url, {}).command()
        descriptor = listener.fileno()
        process = subprocess.Popen(
            [*command.argv, str(descriptor)], stdin=subprocess.PIPE, pass_fds=(descriptor,), cwd="/"
        )
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        fetch = (
            "import urllib.request as r; print(r.urlopen('https://sts.eu-west-1.amazonaws.com/me').read())"
        )
        environ = {"HTTPS_PROXY": url, "SSL_CERT_FILE": command.bundle}
        done = subprocess.run(
            [sys.executable, "-c", fetch], check=False, env=environ, capture_output=True, text=True
        )
        assert done.stdout == "b'{\"ok\": true}'\n", done.stderr
        assert [(seen.path, seen.headers["host"]) for seen in server.seen] == [
            ("/me", "sts.eu-west-1.amazonaws.com")
        ]
        process.stdin.close()
        assert process.wait(20) == 0
