"""The wildcards of IAM policies."""

import re


def wildcard_match(pattern: str, text: str) -> bool:
    r"""Match ``*`` (any run, colons and slashes too) and ``?`` (one character), in bounded time.

    A character behind ``\x00`` in the pattern stands for itself: so `resolve_variables` writes ``${*}``.
    """
    if pattern == "*" or (
        "*" not in pattern and "?" not in pattern and "\0" not in pattern and pattern == text
    ):
        return True
    tokens = re.findall(r"\0.|[^\0]", pattern, re.DOTALL)
    at, here, star, mark = 0, 0, -1, 0
    while here < len(text):
        if at < len(tokens) and tokens[at] == "*":
            star, mark = at, here
            at += 1
        elif at < len(tokens) and (tokens[at] == "?" or tokens[at][-1:] == text[here]):
            at += 1
            here += 1
        elif star >= 0:
            mark += 1
            at, here = star + 1, mark
        else:
            return False
    return all(rest == "*" for rest in tokens[at:])
