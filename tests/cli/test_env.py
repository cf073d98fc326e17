"""`wildsage env`: what shells make of it, and the way back."""

import argparse
import json
import os
import subprocess
import sys

import pytest

from wildsage.cli import env
from wildsage.clients.service import running_proxy, stop_proxy

CHANGES = {"PLAIN": "value", "HARD": "a 'b' \"c\" $HOME `x` \\ \u00e9\nline", "GONE": None}
COMMAND = """
import argparse, sys
from pathlib import Path
from wildsage.cli import env
parser = argparse.ArgumentParser()
subparsers = parser.add_subparsers()
env.add_parser(subparsers)
subparsers.choices["env"].add_argument("--data-dir", type=Path)
arguments = parser.parse_args()
sys.exit(arguments.execute(arguments))
"""


@pytest.fixture
def directory(layout, server):
    yield layout
    stop_proxy(layout)


def command(directory, *options):
    return [sys.executable, "-c", COMMAND, "env", "--data-dir", str(directory.root), *options]


def shell(directory, script, environ):
    """Run a shell script in which `env` is our command."""
    (directory.root / "command.py").write_text(COMMAND)
    prelude = f'wildsage_env() {{ {sys.executable} {directory.root}/command.py env --data-dir {directory.root} "$@"; }}\n'
    done = subprocess.run(
        ["sh", "-c", prelude + script], env=environ, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stderr == ""
    return dict(line.split("=", 1) for line in done.stdout.split("\0") if line)


def test_a_shell_goes_there_and_back(directory, tmp_path):
    user = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "AWS_PROFILE": 'it\'s "mine"',
        "AWS_SESSION_TOKEN": "real",
        "HTTPS_PROXY": "http://company:3128",
    }
    there = shell(directory, 'eval "$(wildsage_env)"; eval "$(wildsage_env)"; env -0', user)
    assert there["AWS_ENDPOINT_URL"] == there["HTTPS_PROXY"] == running_proxy(directory)
    assert there["AWS_ACCESS_KEY_ID"] == "WAK"
    assert not {"AWS_PROFILE", "AWS_SESSION_TOKEN"} & there.keys()
    back = shell(directory, 'eval "$(wildsage_env)"; eval "$(wildsage_env --unset)"; env -0', user)
    ignored = ("PWD", "OLDPWD", "_", "SHLVL", "LC_CTYPE")
    assert {name: value for name, value in back.items() if name not in ignored} == user


def test_unset_needs_no_server_and_may_have_nothing_to_do(directory):
    directory.server.unlink()
    assert shell(directory, 'eval "$(wildsage_env --unset)"; env -0', {"PATH": os.environ["PATH"]})
    assert running_proxy(directory) is None


def test_json(directory):
    done = subprocess.run(
        command(directory, "--format", "json"),
        env={**os.environ, "AWS_PROFILE": "x"},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    changes = json.loads(done.stdout)
    assert changes["AWS_PROFILE"] is None
    assert changes["AWS_ENDPOINT_URL"] == running_proxy(directory)


def test_sh_reads_every_value(tmp_path):
    script = f"GONE=1; {env._sh(CHANGES)}\nenv -0"
    out = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True, env={}).stdout
    values = dict(line.split("=", 1) for line in out.split("\0") if line)
    assert {name: values.get(name) for name in CHANGES} == CHANGES


def test_fish():
    assert env._fish(CHANGES) == (
        "set -gx PLAIN 'value';\nset -gx HARD 'a \\'b\\' \"c\" $HOME `x` \\\\ \u00e9\nline';\nset -e GONE;"
    )


def test_powershell():
    assert env._powershell({**CHANGES, "CURLY": "\u2019"}) == (
        "$Env:PLAIN = 'value'\n"
        "$Env:HARD = 'a ''b'' \"c\" $HOME `x` \\ \u00e9\nline'\n"
        "Remove-Item -ErrorAction SilentlyContinue Env:GONE\n"
        "$Env:CURLY = '\u2019\u2019'"
    )


def test_dotenv_has_no_note_of_the_shell():
    assert env._dotenv({**CHANGES, "WILDSAGE_SAVED_ENVIRONMENT": "{}"}) == (
        'PLAIN="value"\nHARD="a \'b\' \\"c\\" $HOME `x` \\\\ \u00e9\\nline"\n# unset GONE'
    )


def test_dotenv_cannot_go_back():
    arguments = argparse.Namespace(unset=True, format="dotenv")
    with pytest.raises(env.CommandError, match="cannot unset"):
        env.main(arguments)
