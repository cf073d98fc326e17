"""The codecs of the runtime, for the modules beside this one, in processes that have no runtime."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

_NAME = "wildsage.toolkit.script_mode.codecs"


def load_codecs() -> ModuleType:
    """Return the module; the very one that serves, where this process serves."""
    loaded = sys.modules.get(_NAME)
    if loaded is not None:
        return loaded
    spec = importlib.util.spec_from_file_location(_NAME, Path(__file__).resolve().parents[1] / "codecs.py")
    if spec is None or spec.loader is None:
        raise ImportError(f"{_NAME} is not beside {__file__}")
    module = importlib.util.module_from_spec(spec)
    sys.modules[_NAME] = module
    spec.loader.exec_module(module)
    return module
