"""Make the locks of the framework environments from ``src/wildsage/images/environments.toml``.

Usage: ``python scripts/lock_environments.py [NAME…]``. Needs uv and a package index. A lock holds exact pins
of packages that have wheels, or are named in ``sources``.
"""

import re
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

IMAGES = Path(__file__).resolve().parent.parent / "src" / "wildsage" / "images"
PYTHONS = ("3.11",)  # what CI runs
# What a framework's own metadata asks for and its CPU build does not use.
UNUSED = re.compile(r"(nvidia|cuda|triton)[a-z0-9-]*\b.*")


def lock(name: str, entry: Mapping[str, Any], python: str) -> str:
    """Resolve one environment of the table; what is `alone` is added unresolved."""
    command = [
        "uv", "pip", "compile", "-", "--python-version", python, "--python-platform", "x86_64-manylinux_2_28",
        "--only-binary", ":all:", "--no-header", "--no-annotate", "--quiet",
        *(option for source in entry.get("sources", []) for option in ("--no-binary", source)),
    ]  # fmt: skip
    done = subprocess.run(
        command, input="\n".join(entry["requires"]), text=True, capture_output=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"{name}: no solution in wheels for Python {python}\n{done.stderr}")
    lines = [line.partition(" ;")[0].strip() for line in done.stdout.splitlines()]
    kept = [line for line in lines if line and not UNUSED.fullmatch(line)]
    pins = sorted([*kept, *entry.get("alone", [])], key=lambda pin: pin.partition("==")[0])
    return "".join(f"{pin}\n" for pin in pins)


def main(names: list[str]) -> None:
    """Write the locks of the named environments, or of all."""
    table = tomllib.loads((IMAGES / "environments.toml").read_text())["environment"]
    for name in names or table:
        for python in PYTHONS:
            path = IMAGES / "locks" / f"{name}-py{python.replace('.', '')}.txt"
            path.write_text(lock(name, table[name], python))


if __name__ == "__main__":
    main(sys.argv[1:])
