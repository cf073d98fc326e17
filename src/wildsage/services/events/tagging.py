"""TagResource, UntagResource and ListTagsForResource of buses and rules."""

from wildsage.core.context import RequestContext
from wildsage.core.errors import ValidationError
from wildsage.services.events.common import BUS, events_arn, not_found
from wildsage.services.operation import Request, Response, operation
from wildsage.services.tag_rules import check_tags
from wildsage.store.database import Transaction
from wildsage.store.events import DEFAULT_BUS
from wildsage.store.resources import Resources
from wildsage.store.tags import Tags

_MOST_TAGS = 50


class EventTags:
    """Tags of buses and rules, addressed by ARN."""

    def __init__(self, resources: Resources, tags: Tags) -> None:
        self._resources = resources
        self._tags = tags

    @operation("TagResource")
    async def tag(self, context: RequestContext, request: Request) -> Response:
        """Add tags; a key that exists gets the new value."""
        arn = self._require(context, request)
        check_tags(request["Tags"])

        def store(transaction: Transaction) -> None:
            if Tags.count_after(transaction, arn, request["Tags"]) > _MOST_TAGS:
                raise ValidationError(f"{arn} would have more than {_MOST_TAGS} tags. Remove some first")
            Tags.put(transaction, arn, request["Tags"])

        await self._tags.database.write(store)
        return {}

    @operation("UntagResource")
    async def untag(self, context: RequestContext, request: Request) -> Response:
        """Remove tags by key; absent ones are no error."""
        arn = self._require(context, request)
        await self._tags.database.write(lambda t: Tags.remove(t, arn, request["TagKeys"]))
        return {}

    @operation("ListTagsForResource")
    async def list(self, context: RequestContext, request: Request) -> Response:
        """Return the tags of a bus or a rule."""
        return {"Tags": self._tags.of(self._require(context, request))}

    def _require(self, context: RequestContext, request: Request) -> str:
        arn: str = request["ResourceARN"]
        if arn == events_arn(context, f"{BUS}/{DEFAULT_BUS}"):
            return arn
        own = arn.startswith(events_arn(context, ""))
        if not own or self._resources.get_by_arn(arn) is None:
            raise not_found(
                f"{arn} does not exist: give the ARN of a bus or a rule of this account and region."
            )
        return arn
