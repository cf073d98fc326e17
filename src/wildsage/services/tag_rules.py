"""What AWS's services ask of tags alike; each says it with an error of its own."""

from collections.abc import Callable, Iterable, Mapping

from wildsage.core.errors import ServiceError, ValidationError
from wildsage.store.tags import Tag


def check_tags(
    tags: Iterable[Tag] | Mapping[str, str],
    error: Callable[[str], ServiceError] = ValidationError,
    *,
    ignore_case: bool = False,
) -> None:
    """Refuse reserved and repeated keys.

    Parameters
    ----------
    tags
        As the service has them: a list of pairs, or values by key.
    error
        Makes the service's error of a text.
    ignore_case
        Whether keys that differ in case only are the same one.

    Raises
    ------
    ServiceError
        Naming the key.
    """
    seen: set[str] = set()
    for key in tags if isinstance(tags, Mapping) else [tag["Key"] for tag in tags]:
        if key.lower().startswith("aws:"):
            raise error(f"Tag keys beginning with aws: are reserved for system use: {key!r}")
        same = key.lower() if ignore_case else key
        if same in seen:
            in_any_case = ", in whatever case" if ignore_case else ""
            raise error(f"Duplicate tag keys found: {key!r}. Give each key once{in_any_case}")
        seen.add(same)
