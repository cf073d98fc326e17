"""Which backend is taken, and what is said where none is."""

import pytest

from wildsage.compute import select
from wildsage.compute.base import Probe, UnavailableError


class Backend:
    level = 1
    private = True

    def __init__(self, name, reason=""):
        self.name = name
        self.reason = reason

    def probe(self):
        return Probe(not self.reason, self.reason)


def test_the_best_that_works_is_taken(monkeypatch):
    best, second = Backend("best", "bwrap is missing"), Backend("second")
    monkeypatch.setattr(select, "BACKENDS", (best, second, Backend("third")))
    assert select.choose() is second
    assert select.choose("best") is best  # who asks for it gets its own error at the launch
    assert select.probe_all()["best"] == Probe(available=False, reason="bwrap is missing")


def test_where_none_works_every_reason_is_given(monkeypatch):
    monkeypatch.setattr(select, "BACKENDS", (Backend("a", "why a"), Backend("b", "why b")))
    with pytest.raises(UnavailableError, match="a: why a; b: why b"):
        select.choose()


def test_an_unknown_name_is_refused_with_the_known_ones():
    with pytest.raises(UnavailableError, match=r"'chroot'.*bubblewrap, namespaces, none, podman, docker"):
        select.choose("chroot")


def test_an_engine_is_chosen_by_its_name_alone(monkeypatch):
    monkeypatch.setattr(select, "BACKENDS", (Backend("a", "why a"),))
    assert select.choose("podman").name == "podman"
    with pytest.raises(UnavailableError, match=r"^a: why a$"):
        select.choose()
