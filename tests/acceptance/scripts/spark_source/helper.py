"""A module that the workers import."""


def is_word(text: str) -> bool:
    """Tell a word from a number."""
    return text.isalpha()
