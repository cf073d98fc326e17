"""Who interrupts the demo is told what keeps running, whenever that is."""

import signal

import pytest

from wildsage.cli import demo
from wildsage.cli.main import main


@pytest.mark.parametrize("where", ["background.ensure_server", "_draw"])
def test_an_interrupted_demo_says_how_to_end_all(layout, server, tmp_path, monkeypatch, capsys, where):
    def interrupt(*_arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(demo.subprocess, "run", lambda *_, **__: demo.subprocess.CompletedProcess((), 0))
    monkeypatch.setattr(f"wildsage.cli.demo.{where}", interrupt)
    words = ["demo", "--data-dir", str(layout.root), "--output", str(tmp_path / "output")]
    assert main(words) == 128 + signal.SIGINT
    assert f"down --all --data-dir {layout.root}" in capsys.readouterr().err


def test_commands_are_named_by_path_where_the_shell_does_not_find_them(tmp_path, monkeypatch):
    program = tmp_path / "wildsage"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setattr("sys.argv", [str(program)])
    monkeypatch.setenv("PATH", "/absent")
    assert demo._own_name() == str(program)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert demo._own_name() == "wildsage"
