"""Tags of roles and policies."""

from wildsage.services.iam.errors import limit_exceeded
from wildsage.store.database import Transaction
from wildsage.store.tags import Tag, Tags

_LARGEST_TAG_COUNT = 50


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
