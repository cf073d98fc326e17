"""What this machine offers."""

import pytest

from wildsage.cli.main import main
from wildsage.supervisor import lazy_view


@pytest.mark.parametrize(
    ("device", "said"),
    [
        ("/dev/null", "objects are read when the job reads them"),
        ("/absent", "/absent is not there, or not open to this user"),
    ],
)
def test_whether_objects_in_parts_are_read_lazily(layout, capsys, monkeypatch, device, said):
    monkeypatch.setattr(lazy_view, "DEVICE", device)
    main(["doctor", "--data-dir", str(layout.root)])
    (row,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("FastFile")]
    assert said in row
