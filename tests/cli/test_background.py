"""A server that is started because somebody needs one."""

from wildsage.cli.background import ensure_server
from wildsage.cli.main import main


def test_a_server_is_started_where_none_runs(tmp_path):
    assert ensure_server(tmp_path / "data")
    try:
        assert not ensure_server(tmp_path / "data")
    finally:
        assert main(["down", "--all", "--data-dir", str(tmp_path / "data")]) == 0
