"""What a model server answers."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Answer:
    """A response: status, content type, body."""

    status: int
    content_type: str
    body: bytes
