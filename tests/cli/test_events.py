"""``wildsage events`` where there is nothing to show, and while it follows."""

import subprocess
import sys

import pytest

from wildsage.cli.main import main
from wildsage.store.database import Database
from wildsage.store.events import Events


def put(database, detail_type):
    database.write_blocking(
        lambda t: Events.put(
            t,
            ("123456789012", "us-west-2", "default"),
            2_000_000_000.0,
            source="mine",
            detail_type=detail_type,
            subject={"resources": []},
            detail="{}",
        )
    )


def test_without_a_state_it_says_how_to_start(tmp_path, capsys):
    assert main(["events", "--data-dir", str(tmp_path)]) == 1
    assert "there is no state" in capsys.readouterr().err


def test_a_state_of_an_older_wildsage_is_named(tmp_path, capsys):
    database = Database(tmp_path / "state.db", "state")
    database.write_blocking(lambda t: t.execute("DROP TABLE event"))
    database.close()
    assert main(["events", "--data-dir", str(tmp_path)]) == 1
    assert "older Wildsage" in capsys.readouterr().err


@pytest.mark.parametrize("since", ["yesterday", "5", "5y", "2026-13-01"])
def test_a_time_that_is_none_is_refused(tmp_path, capsys, since):
    with pytest.raises(SystemExit):
        main(["events", "--data-dir", str(tmp_path), "--since", since])
    assert since in capsys.readouterr().err


def test_it_follows(tmp_path):
    database = Database(tmp_path / "state.db", "state")
    put(database, "First")
    command = [sys.executable, "-m", "wildsage", "events", "-f", "--data-dir", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "2033-05-18T03:33:20Z  us-west-2  First  mine\n"
        put(database, "Second")
        assert "Second" in process.stdout.readline()
        process.kill()
    database.close()
