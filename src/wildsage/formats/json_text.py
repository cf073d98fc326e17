"""Parse one JSON document, with an error that says where: without numpy, which the process of a run does not load."""

import json
from collections.abc import Mapping
from typing import Any

from wildsage.formats.errors import FormatError

Place = Mapping[str, int]
"""Where a document stands, as `FormatError` takes it: its row, or its line."""


def load(text: bytes, source: str, place: Place) -> Any:
    """Parse one document.

    Raises
    ------
    FormatError
        If it is no JSON, or nested too deeply.
    """
    try:
        return json.loads(text)
    except UnicodeDecodeError as error:
        raise FormatError(source, "not in UTF-8", offset=error.start, **place) from error
    except json.JSONDecodeError as error:
        raise FormatError(source, f"not JSON: {error.msg}", offset=error.pos, **place) from error
    except RecursionError as error:
        raise FormatError(source, "JSON that is nested too deeply", **place) from error
    except ValueError as error:
        raise FormatError(source, f"JSON that cannot be read: {error}", **place) from error
