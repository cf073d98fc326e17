"""Wheels by hand: pip needs no network for them."""

import zipfile
from pathlib import Path


def make_wheel(folder: Path, name: str, version: str, requires: str = "", script: bool = False) -> None:
    """Make a wheel of one module, whose ``VERSION`` says what was installed.

    Parameters
    ----------
    requires
        Another package that it needs.
    script
        It has a program of its own name, which prints the version.
    """
    info = f"{name}-{version}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    metadata += f"Requires-Dist: {requires}\n" if requires else ""
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as file:
        file.writestr(f"{name}.py", f"VERSION = {version!r}\n\ndef main():\n    print(VERSION)\n")
        file.writestr(f"{info}/METADATA", metadata)
        file.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        if script:
            file.writestr(f"{info}/entry_points.txt", f"[console_scripts]\n{name} = {name}:main\n")
        file.writestr(f"{info}/RECORD", "")
