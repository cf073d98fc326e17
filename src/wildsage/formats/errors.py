"""The error of every codec."""


class FormatError(ValueError):
    """Bytes that break the rules of their format.

    Parameters
    ----------
    source
        What was read: a file's name, or ``request body``.
    message
        Value seen and rule broken.
    offset, line
        Where: the byte position from 0, or the line number from 1.
    """

    def __init__(
        self, source: str, message: str, *, offset: int | None = None, line: int | None = None
    ) -> None:
        place = source
        if line is not None:
            place += f", line {line}"
        if offset is not None:
            place += f", byte {offset}"
        super().__init__(f"{place}: {message}")
        self.source = source
        self.offset = offset
        self.line = line


def excerpt(value: bytes | str, limit: int = 40) -> str:
    """Quote the beginning of a value seen, short and printable, for an error's text."""
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else value
    return repr(text if len(text) <= limit else text[:limit] + "…")
