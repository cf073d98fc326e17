"""The Java of a machine, wherever it is."""

from pathlib import Path

import pytest

from wildsage.images.java import find_java


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A Java as distributions install it: its configuration is elsewhere."""
    home = tmp_path / "jvm/java"
    for name in ("bin", "conf/security", "lib/security"):
        (home / name).mkdir(parents=True)
    (home / "bin/java").write_text("#!/bin/sh\n")
    (home / "bin/java").chmod(0o755)
    etc = tmp_path / "etc/java/security"
    etc.mkdir(parents=True)
    (etc / "java.security").touch()
    (home / "conf/security/java.security").symlink_to(etc / "java.security")
    (home / "conf/security/inner").symlink_to(home / "bin/java")
    (home / "lib/security/cacerts").symlink_to(tmp_path / "absent")
    return home


def test_it_is_found_where_java_home_says_with_what_its_links_lead_to(home: Path, tmp_path: Path) -> None:
    found = find_java({"JAVA_HOME": str(home), "PATH": ""})
    assert found is not None
    assert found.home == home
    assert found.folders == (home, tmp_path / "etc/java/security")


def test_else_it_is_the_one_on_the_path_behind_its_links(home: Path, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/java").symlink_to(home / "bin/java")
    for java_home in ("", str(tmp_path / "nothing")):
        found = find_java({"JAVA_HOME": java_home, "PATH": str(tmp_path / "bin")})
        assert found is not None
        assert found.home == home


def test_there_may_be_none(tmp_path: Path) -> None:
    assert find_java({"PATH": str(tmp_path)}) is None
