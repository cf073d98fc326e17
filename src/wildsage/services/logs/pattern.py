"""Filter patterns of unstructured text: terms, phrases, alternatives, exclusions.

Source: "Filter pattern syntax for metric filters, subscription filters, filter log events, and Live Tail"
(Amazon CloudWatch Logs User Guide).
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

_TERM = re.compile(r'\s*(?P<sign>[-?]?)(?:"(?P<phrase>(?:[^"\\]|\\.)*)"|(?P<word>\w+))(?=\s|$)')


@dataclass(frozen=True, slots=True)
class FilterPattern:
    """What a message must hold.

    Attributes
    ----------
    required, excluded
        All of the one and none of the other.
    alternatives
        At least one of them; without effect beside the other two, as the guide says.
    """

    required: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()
    alternatives: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str) -> "FilterPattern":
        """Read a pattern; the empty one lets everything through.

        Raises
        ------
        ValueError
            If it is of a kind that is not supported here, or no pattern.
        """
        text = text.strip()
        for start, kind in (("{", "JSON"), ("[", "space-delimited"), ("%", "regular expression")):
            if text.startswith(start):
                raise ValueError(
                    f"{kind} filter patterns are not supported by Wildsage: use terms and phrases"
                )
        terms: dict[str, list[str]] = {"": [], "-": [], "?": []}
        position = 0
        while position < len(text):
            found = _TERM.match(text, position)
            if found is None:
                raise ValueError(
                    f"Invalid filter pattern at {text[position:].strip()[:40]!r}:"
                    " put terms with other characters than letters, digits and _ between double quotes"
                )
            phrase = found["phrase"]
            term = found["word"] if phrase is None else re.sub(r"\\(.)", r"\1", phrase)
            terms[found["sign"]].append(term)
            position = found.end()
        return cls(tuple(terms[""]), tuple(terms["-"]), tuple(terms["?"]))

    def matcher(self) -> Callable[[str], bool]:
        """Return the test of a message."""
        if not (self.required or self.excluded):
            wanted = self.alternatives
            return lambda message: not wanted or any(term in message for term in wanted)
        return self._matches

    def _matches(self, message: str) -> bool:
        return all(term in message for term in self.required) and not any(
            term in message for term in self.excluded
        )
