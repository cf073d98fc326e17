import os
import sys

import pytest

from wildsage.toolkit.script_mode.commands import run
from wildsage.toolkit.script_mode.errors import ExecuteUserScriptError


class Shown:
    """Stands for the error output; makes a file once there is a step of a progress bar."""

    def __init__(self, seen) -> None:
        self.buffer = self
        self.seen = seen
        self.content = b""

    def write(self, chunk: bytes) -> None:
        self.content += chunk
        if b"\r" in chunk:
            self.seen.touch()

    def flush(self) -> None:
        pass


def test_a_progress_bar_shows_while_it_runs_and_its_failure_has_the_last_lines(tmp_path, monkeypatch) -> None:
    seen = tmp_path / "seen"
    script = f"""
        printf 'begin\\n10%%\\r' >&2
        rounds=0
        while [ ! -e {seen} ]; do
            rounds=$((rounds + 1)); [ $rounds -lt 1000 ] || exit 9; sleep 0.01
        done
        printf '20%%\\r\\nno such file' >&2
        exit 3
    """
    shown = Shown(seen)
    monkeypatch.setattr(sys, "stderr", shown)
    with pytest.raises(ExecuteUserScriptError) as failed:
        run(["/bin/sh", "-c", script], tmp_path, os.environ, ExecuteUserScriptError)
    assert failed.value.exit_code == 3
    assert shown.content == b"begin\n10%\r20%\r\nno such file"
    assert 'ErrorMessage "begin\n10%\n20%\nno such file"' in str(failed.value)
