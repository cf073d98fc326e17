"""GetUser: there are no users here, and the answer says so as IAM does."""

from wildsage.core.context import RequestContext
from wildsage.services.iam.errors import no_such_user, validation_error
from wildsage.services.operation import Request, Response, operation


class Users:
    """Every caller is a session of a role."""

    @operation("GetUser")
    async def get(self, context: RequestContext, request: Request) -> Response:  # noqa: ARG002 - the shape of every handler
        """Refuse: with a name, there is no such user; without one, the caller is none."""
        if "UserName" in request:
            raise no_such_user(request["UserName"])
        raise validation_error("Must specify userName when calling with non-User credentials")
