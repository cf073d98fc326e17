"""A sandbox that is installed and does not work here is told, and the next one is taken."""

from wildsage.compute.bubblewrap import Bubblewrap


def test_a_bubblewrap_that_may_not_make_namespaces_is_unavailable(tmp_path, monkeypatch):
    """As where the system keeps user namespaces from unprivileged programs."""
    program = tmp_path / "bwrap"
    program.write_text("#!/bin/sh\necho 'bwrap: setting up uid map: Permission denied' >&2\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    probe = Bubblewrap().probe()
    assert not probe.available
    assert probe.reason == "bwrap: setting up uid map: Permission denied"


def test_one_that_says_nothing_is_unavailable_too(tmp_path, monkeypatch):
    program = tmp_path / "bwrap"
    program.write_text("#!/bin/sh\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert "its launcher ended with code 1" in Bubblewrap().probe().reason
