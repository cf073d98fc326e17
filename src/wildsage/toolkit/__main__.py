"""The entry point of a built-in algorithm's container: ``python -m wildsage.toolkit train|serve|kernels MODULE``."""

import os
import sys
from collections.abc import Mapping, Sequence

from wildsage.toolkit.resolve import load_spec, resolve
from wildsage.toolkit.spec import AlgorithmSpec

_ENTRIES = {
    "train": "wildsage.toolkit.training:train",
    "serve": "wildsage.toolkit.serving:serve",
    "kernels": "wildsage.toolkit.kernels:compile_all",
}
"""Names, so that a server starts without the training code, and the reverse."""


def main(arguments: Sequence[str]) -> int:
    """Run one mode of the algorithm whose package is named; returns the exit code."""
    if len(arguments) != 2 or arguments[0] not in _ENTRIES:
        sys.stderr.write("usage: python -m wildsage.toolkit train|serve|kernels MODULE\n")
        return 2
    mode, module = arguments
    spec = load_spec(module)
    for name in spec.leaves_out:
        sys.modules[name] = None  # type: ignore[assignment] # the import system's own sign for: there is none
    return run(mode, spec, os.environ)


def run(mode: str, spec: AlgorithmSpec, environment: Mapping[str, str]) -> int:
    """Run one mode, ``train`` or ``serve``, of an algorithm; returns the exit code."""
    code: int = resolve(_ENTRIES[mode])(spec, environment)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
