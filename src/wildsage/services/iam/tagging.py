"""Tags of roles and policies."""

from wildsage.services.iam.errors import invalid_input, limit_exceeded
from wildsage.store.database import Transaction
from wildsage.store.tags import Tag, Tags

_LARGEST_TAG_COUNT = 50


def check_tags(tags: list[Tag]) -> None:
    """Refuse reserved and repeated keys.

    Raises
    ------
    ServiceError
        ``InvalidInput``, naming the key.
    """
    seen: set[str] = set()
    for tag in tags:
        key = tag["Key"].lower()
        if key.startswith("aws:"):
            raise invalid_input(f"Tag keys beginning with aws: are reserved for system use: {tag['Key']!r}")
        if key in seen:
            raise invalid_input(
                f"Duplicate tag keys found: {tag['Key']!r}. Please note that Tag keys are case insensitive."
            )
        seen.add(key)


def put_tags(transaction: Transaction, arn: str, tags: list[Tag]) -> None:
    """Store tags, up to the quota.

    Raises
    ------
    ServiceError
        ``LimitExceeded``.
    """
    count = Tags.count_after(transaction, arn, tags)
    if count > _LARGEST_TAG_COUNT:
        raise limit_exceeded(
            f"The number of tags has reached the maximum limit: {arn} would have {count}, 50 are allowed"
        )
    Tags.put(transaction, arn, tags)
