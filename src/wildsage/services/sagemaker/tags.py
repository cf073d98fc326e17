"""AddTags, ListTags, DeleteTags."""

from wildsage.core.arns import Arn
from wildsage.core.context import RequestContext
from wildsage.core.errors import AccessDeniedError, ResourceLimitExceededError, ValidationError
from wildsage.services.operation import Request, Response, operation
from wildsage.services.sagemaker.common import LARGEST_TAG_COUNT, TAG_PAGES
from wildsage.services.tag_rules import check_tags
from wildsage.store.database import Transaction
from wildsage.store.resources import Resource, Resources
from wildsage.store.tags import Tags


class ResourceTags:
    """Tags of any SageMaker resource, addressed by ARN."""

    def __init__(self, resources: Resources, tags: Tags) -> None:
        self._resources = resources
        self._tags = tags

    @operation("AddTags")
    async def add(self, context: RequestContext, request: Request) -> Response:
        """Add tags; a key that exists gets the new value. Answers all tags of the resource."""
        resource = self._resource(context, request["ResourceArn"])
        check_tags(request["Tags"])

        def store(transaction: Transaction) -> None:
            count = Tags.count_after(transaction, resource.arn, request["Tags"])
            if count > LARGEST_TAG_COUNT:
                raise ResourceLimitExceededError(
                    f"{resource.arn} would have {count} tags; the limit is {LARGEST_TAG_COUNT}."
                    " Remove some with DeleteTags"
                )
            Tags.put(transaction, resource.arn, request["Tags"])

        await self._tags.database.write(store)
        return {"Tags": self._tags.of(resource.arn)}

    @operation("ListTags")
    async def page(self, context: RequestContext, request: Request) -> Response:
        """List the tags of a resource, ordered by key."""
        resource = self._resource(context, request["ResourceArn"])
        return TAG_PAGES.answer(
            request,
            "Tags",
            self._tags.of(resource.arn),
            position=lambda tag: tag["Key"],
            show=lambda tag: tag,
        )

    @operation("DeleteTags")
    async def delete(self, context: RequestContext, request: Request) -> Response:
        """Remove tags by key; absent ones are no error."""
        resource = self._resource(context, request["ResourceArn"])
        await self._tags.database.write(
            lambda transaction: Tags.remove(transaction, resource.arn, request["TagKeys"])
        )
        return {}

    def _resource(self, context: RequestContext, text: str) -> Resource:
        try:
            arn = Arn.parse(text)
        except ValueError as error:
            raise ValidationError(f"Invalid ResourceArn: {error}") from None
        if arn.account != context.account or arn.region != context.region:
            raise AccessDeniedError(
                f"User: {context.principal_arn} is not authorized to access {text}:"
                f" it belongs to another account or region than {context.account}, {context.region}"
            )
        resource = self._resources.get_by_arn(str(arn))
        if resource is None:
            raise ValidationError(f"Could not find resource {text}. Check its name and region")
        return resource
