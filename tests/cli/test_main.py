"""The table of commands, and that nobody waits for what a command does not need."""

import subprocess
import sys

import pytest

from wildsage.cli.main import main
from wildsage.cli.registry import COMMANDS, load

IMPORTED_BY = """
import sys
from wildsage.cli.main import main
try:
    main(sys.argv[1:])
except SystemExit:
    pass
print(*(name for name in ("botocore", "cryptography", "numpy", "uvloop") if name in sys.modules), file=sys.stderr)
"""


def heavy_imports_of(*arguments):
    command = [sys.executable, "-c", IMPORTED_BY, *arguments]
    result = subprocess.run(command, check=True, capture_output=True, text=True)
    return set(result.stderr.split())


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_declares_itself_under_its_name(name, capsys):
    with pytest.raises(SystemExit) as ended:
        main([name, "--help"])
    assert ended.value.code == 0
    shown = capsys.readouterr().out
    assert shown.startswith(f"usage: wildsage {name}")
    assert "--data-dir DIR" in shown
    _, description, *_ = shown.split("\n\n")
    assert description.endswith("."), "say what it does"
    assert callable(load(name).add_parser)


def test_help_lists_every_command(capsys):
    with pytest.raises(SystemExit):
        main(["--help"])
    shown = capsys.readouterr().out
    assert all(f"{name} " in shown and summary in shown for name, summary in COMMANDS.items())


def test_an_unknown_command_is_refused_with_the_known_ones(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["uo"])
    assert ended.value.code == 2
    assert "'uo'" in (said := capsys.readouterr().err)
    assert "up" in said


def test_a_command_takes_its_data_directory(tmp_path, capsys):
    assert main(["down", "--data-dir", str(tmp_path)]) == 1
    assert f"no server is running on {tmp_path}" in capsys.readouterr().err


@pytest.mark.parametrize("words", [("--data-dir", "{}", "ls"), ("ls", "--data-dir", "{}")])
def test_an_action_takes_it_on_either_side(tmp_path, capsys, words):
    place = tmp_path / "100%"
    assert main(["images", *(word.format(place) for word in words)]) == 0
    assert "NAME" in capsys.readouterr().out
    assert place.is_dir()


def test_a_default_with_a_percent_sign_is_shown(monkeypatch, capsys):
    monkeypatch.setenv("WILDSAGE_DATA_DIR", "/100%d")
    with pytest.raises(SystemExit):
        main(["down", "--help"])
    assert "/100%d)" in " ".join(capsys.readouterr().out.split())


def test_a_relative_data_directory_is_the_same_wherever_a_server_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["down", "--data-dir", "my state"]) == 1
    said = capsys.readouterr().err
    assert f"no server is running on {tmp_path}/my state" in said
    assert f"wildsage up -d --data-dir '{tmp_path}/my state'" in said


def test_help_loads_no_command():
    assert heavy_imports_of("--help") == set()


def test_the_parent_of_a_background_server_loads_no_server():
    assert heavy_imports_of("up", "--help") == set()
