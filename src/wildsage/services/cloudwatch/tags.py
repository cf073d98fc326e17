"""Tags of alarms."""

from wildsage.core.context import RequestContext
from wildsage.core.errors import NotFoundError
from wildsage.services.cloudwatch.common import invalid_value
from wildsage.services.operation import Request, Response, operation
from wildsage.services.tag_rules import check_tags
from wildsage.store.alarms import ALARM
from wildsage.store.database import Transaction
from wildsage.store.resources import Resource, Resources
from wildsage.store.tags import Tags

_MOST_TAGS = 50


class AlarmTags:
    """Tags, addressed by ARN."""

    def __init__(self, resources: Resources, tags: Tags) -> None:
        self._resources = resources
        self._tags = tags

    @operation("TagResource")
    async def tag(self, context: RequestContext, request: Request) -> Response:
        """Add tags; a key that exists gets the new value."""
        alarm = self._alarm(context, request["ResourceARN"])
        check_tags(request["Tags"], invalid_value)

        def store(transaction: Transaction) -> None:
            count = Tags.count_after(transaction, alarm.arn, request["Tags"])
            if count > _MOST_TAGS:
                raise invalid_value(f"{alarm.arn} would have {count} tags; the limit is {_MOST_TAGS}.")
            Tags.put(transaction, alarm.arn, request["Tags"])

        await self._tags.database.write(store)
        return {}

    @operation("UntagResource")
    async def untag(self, context: RequestContext, request: Request) -> Response:
        """Remove tags by key; absent ones are no error."""
        alarm = self._alarm(context, request["ResourceARN"])
        await self._tags.database.write(lambda t: Tags.remove(t, alarm.arn, request["TagKeys"]))
        return {}

    @operation("ListTagsForResource")
    async def page(self, context: RequestContext, request: Request) -> Response:
        """List the tags of an alarm, ordered by key."""
        return {"Tags": self._tags.of(self._alarm(context, request["ResourceARN"]).arn)}

    def _alarm(self, context: RequestContext, arn: str) -> Resource:
        found = self._resources.get_by_arn(arn)
        own = found is not None and (found.key.account, found.key.region, found.key.kind) == (
            context.account,
            context.region,
            ALARM,
        )
        if found is None or not own:
            raise NotFoundError(
                f"{arn} is no alarm of account {context.account} in {context.region}: see DescribeAlarms",
                code="ResourceNotFoundException",
                status=404,
                members={"ResourceType": ALARM, "ResourceId": arn},
            )
        return found
