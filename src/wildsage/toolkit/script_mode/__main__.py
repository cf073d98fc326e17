"""``python -P PATH/script_mode train | serve FRAMEWORK | exec COMMAND…``: see the package."""

import sys
from pathlib import Path
from types import ModuleType


def _find_wildsage() -> None:
    """Make ``wildsage`` importable from where this file lies, whatever else the interpreter has."""
    package = ModuleType("wildsage")
    package.__path__ = [str(Path(__file__).resolve().parents[2])]
    sys.modules["wildsage"] = package


if __name__ == "__main__":
    _find_wildsage()
    from wildsage.toolkit.script_mode.main import main

    sys.exit(main(sys.argv[1:]))
