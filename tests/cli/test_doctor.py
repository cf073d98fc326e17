"""What this machine offers."""

import pytest

from wildsage.cli.main import main
from wildsage.compute.base import Probe
from wildsage.compute.engine import ENGINES, Engine
from wildsage.core.engine_images import Calling
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


@pytest.mark.parametrize(
    ("probe", "calling", "row"),
    [
        (Probe(available=True), Calling(limits={"memory": "cgroup v2"}), "ok"),
        (Probe(available=True), Calling(("--runtime", "runc")), "ok     called with --runtime runc"),
        (Probe(available=True), Calling(limits={"cpus": "not held: why"}), "ok     cpus not held: why"),
        (Probe(available=False, reason="no daemon; start it"), Calling(), "no     no daemon; start it"),
    ],
)
def test_each_engine_says_how_it_works_or_what_is_in_the_way(
    layout, capsys, monkeypatch, probe, calling, row
):
    monkeypatch.setattr(Engine, "is_installed", True)
    monkeypatch.setattr(Engine, "_try", lambda _: (probe, calling))
    for engine in ENGINES:
        monkeypatch.setattr(engine, "_found", None)
    main(["doctor", "--data-dir", str(layout.root)])
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("containers: ")]
    assert len(lines) == 2
    assert all(" ".join(row.split()) in " ".join(line.split()) for line in lines)


def test_an_engine_that_is_not_there_is_absent_with_what_to_install(layout, capsys, monkeypatch):
    monkeypatch.setattr(Engine, "is_installed", False)
    for engine in ENGINES:
        monkeypatch.setattr(engine, "_found", None)
    main(["doctor", "--data-dir", str(layout.root)])
    (row,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("containers: podman")]
    assert "absent" in row
    assert "install the packages 'podman'" in row
