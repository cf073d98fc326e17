"""What the search refuses."""


class SearchError(ValueError):
    """What cannot be searched with what was given; the text says why."""


class SpaceError(SearchError):
    """A range that cannot be searched, or a value outside of the space; the text has no name of a range."""
