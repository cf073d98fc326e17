"""The entry point of a built-in algorithm's container: ``python -m wildsage.toolkit train|serve MODULE``."""

import os
import sys
from collections.abc import Sequence

from wildsage.toolkit.resolve import load_spec, resolve

_ENTRIES = {"train": "wildsage.toolkit.training:train", "serve": "wildsage.toolkit.serving:serve"}
"""Names, so that a server starts without the training code, and the reverse."""


def main(arguments: Sequence[str]) -> int:
    """Run one mode of the algorithm whose package is named; returns the exit code."""
    if len(arguments) != 2 or arguments[0] not in _ENTRIES:
        sys.stderr.write("usage: python -m wildsage.toolkit train|serve MODULE\n")
        return 2
    mode, module = arguments
    code: int = resolve(_ENTRIES[mode])(load_spec(module), os.environ)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
