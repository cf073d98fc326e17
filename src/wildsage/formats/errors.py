"""The errors of every codec."""


class FormatError(ValueError):
    """Bytes that break the rules of their format.

    Parameters
    ----------
    source
        What was read: an object's name, or ``request body``.
    message
        Value seen and rule broken.
    offset, line, row
        Where: the byte position from 0, the line number from 1, or the row number from 1.
    """

    def __init__(
        self,
        source: str,
        message: str,
        *,
        offset: int | None = None,
        line: int | None = None,
        row: int | None = None,
    ) -> None:
        place = source
        if line is not None:
            place += f", line {line}"
        if row is not None:
            place += f", row {row}"
        if offset is not None:
            place += f", byte {offset}"
        super().__init__(f"{place}: {message}")
        self.source = source
        self.offset = offset
        self.line = line
        self.row = row


class NotFiniteError(FormatError):
    """A number that is NaN, infinite or not given where the reader of the data takes none.

    Attributes
    ----------
    kind
        ``missing (NaN)`` or ``infinite``, as the built-in algorithms word it.
    """

    def __init__(
        self, source: str, kind: str, message: str, *, row: int | None = None, line: int | None = None
    ) -> None:
        super().__init__(source, message, row=row, line=line)
        self.kind = kind


class MissingLibraryError(Exception):
    """A format whose library is not installed.

    Parameters
    ----------
    extra
        The extra of the package that brings it.
    """

    def __init__(self, what: str, library: str, extra: str) -> None:
        super().__init__(f"{what} needs the library {library}: pip install 'wildsage[{extra}]'")


def excerpt(value: bytes | str, limit: int = 40) -> str:
    """Quote the beginning of a value seen, short and printable, for an error's text."""
    head = value[: 4 * limit]
    text = head.decode("utf-8", "replace") if isinstance(head, bytes) else head
    return repr(text if len(value) <= limit else text[:limit] + "…")
