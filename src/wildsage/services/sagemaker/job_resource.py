"""What the resources of all kinds of jobs do alike: stored with their first runs, described, listed, stopped, deleted."""

from collections.abc import Callable, Sequence
from typing import Any

from wildsage.core.context import RequestContext
from wildsage.core.errors import ResourceInUseError, ValidationError
from wildsage.core.states import is_terminal
from wildsage.images.catalogue import ResolvedImage
from wildsage.jobs.kind import IMAGE_KIND, JobKind
from wildsage.jobs.next_attempts import CREATED
from wildsage.jobs.reconciler import STOPPING
from wildsage.services.operation import Request, Response
from wildsage.services.sagemaker.common import key_of, list_page, new_tags, sagemaker_arn
from wildsage.store.database import Transaction
from wildsage.store.resources import AlreadyExistsError, Body, Key, Resource, Resources
from wildsage.store.runs import Runs, first_run_id
from wildsage.store.tags import Tags

Ahead = Callable[[Sequence[str]], int | None]
"""Tells how many jobs wait before one for instances of these types; None where there is capacity for it now."""

Complete = Callable[[Transaction, Key, Body, float], Body]
"""Completes the body of a job that is created at this moment."""

Shown = Callable[[Resource], dict[str, Any]]
"""Returns members of a job that are not in its body."""


class JobResource:
    """The jobs of one kind.

    Parameters
    ----------
    not_found
        The text for a request whose job is not there; ``{name}`` is the job.
    """

    def __init__(self, resources: Resources, kind: JobKind, not_found: str) -> None:
        self.resources = resources
        self.kind = kind
        self._not_found = not_found

    def find(self, context: RequestContext, request: Request) -> Resource:
        """Return the job that a request names.

        Raises
        ------
        ValidationError
            If there is none.
        """
        name = request[f"{self.kind.word}Name"]
        job = self.resources.get(key_of(context, self.kind.name, name))
        if job is None:
            raise ValidationError(self._not_found.format(name=name))
        return job

    async def create(
        self,
        context: RequestContext,
        request: Request,
        body: Body,
        image: ResolvedImage,
        ahead: Ahead,
        complete: Complete = lambda _transaction, _key, body, _at: body,
    ) -> Response:
        """Store a job and the runs of its first attempt, and wake the reconciler.

        Parameters
        ----------
        body
            The members of Describe.
        ahead
            Asked how many jobs wait for capacity before it.
        complete
            Adds to the body what only the transaction knows that stores it.

        Raises
        ------
        ResourceInUseError
            If the name is taken.
        """
        kind, name = self.kind, request[f"{self.kind.word}Name"]
        arn, key = sagemaker_arn(context, kind.name, name), key_of(context, kind.name, name)
        at, types = context.clock.now(), kind.cluster_of(body).instance_types
        whole = {**body, IMAGE_KIND: image.kind, **kind.history.first_step(at, ahead(types))}
        tags, run_id = new_tags(request), first_run_id(kind.run_prefix, at)

        def store(transaction: Transaction) -> None:
            stored = complete(transaction, key, whole, at)
            Resources.insert(transaction, key, arn=arn, status="InProgress", at=at, body=stored, tags=tags)
            Runs.queue(transaction, run_id, key, 1, at, len(types))
            transaction.notify(CREATED)

        try:
            await self.resources.database.write(store)
        except AlreadyExistsError as error:
            raise ResourceInUseError(
                f"{kind.noun.capitalize()} names must be unique within an AWS account and region,"
                f" and a {kind.noun} with this name already exists ({error.existing.arn})"
            ) from None
        return {f"{kind.word}Arn": arn}

    def describe(self, job: Resource) -> Response:
        """Return a job as it is now; the machinery keeps its own under names that begin with ``_``."""
        public = {name: value for name, value in job.body.items() if not name.startswith("_")}
        return {
            f"{self.kind.word}Name": job.key.name,
            f"{self.kind.word}Arn": job.arn,
            f"{self.kind.word}Status": job.status,
            "CreationTime": job.created_at,
            "LastModifiedTime": job.modified_at,
            **public,
        }

    def page(
        self,
        context: RequestContext,
        request: Request,
        *members: str,
        shown: Shown = lambda _job: {},
    ) -> Response:
        """Return a page of summaries, with these members of the body besides those that all have, and what `shown` adds."""
        word = self.kind.word

        def summary(job: Resource) -> dict[str, Any]:
            return {
                f"{word}Name": job.key.name,
                f"{word}Arn": job.arn,
                "CreationTime": job.created_at,
                "LastModifiedTime": job.modified_at,
                f"{word}Status": job.status,
                **{name: job.body[name] for name in members if name in job.body},
                **shown(job),
            }

        return list_page(
            self.resources,
            context,
            request,
            kind=self.kind.name,
            member=f"{word}Summaries",
            summarize=summary,
            default_order="Ascending",
        )

    async def stop(self, context: RequestContext, request: Request) -> Response:
        """Ask for the end of a job; what it made so far is kept. Stopping twice is no error."""
        job = self.find(context, request)
        at = context.clock.now()

        def store(transaction: Transaction) -> None:
            current = Resources.fetch(transaction, job.key)
            if current is None or is_terminal(job.key.kind, current.status):
                status = "deleted" if current is None else current.status
                raise ValidationError(
                    f"The request was rejected because the {self.kind.noun} is in status {status}."
                )
            self.kind.history.advance(transaction, job.key, "stopping", at)
            transaction.notify(STOPPING)

        await self.resources.database.write(store)
        return {}

    async def delete(self, context: RequestContext, request: Request) -> Response:
        """Remove a job that has ended. What it made and its logs stay."""
        job = self.find(context, request)

        def store(transaction: Transaction) -> None:
            current = Resources.fetch(transaction, job.key)
            if current is not None and not is_terminal(job.key.kind, current.status):
                raise ResourceInUseError(
                    f"{self.kind.noun.capitalize()} {job.arn} is {current.status} and cannot be deleted:"
                    " stop it first"
                )
            Resources.delete(transaction, job.key)
            Tags.remove_all(transaction, job.arn)
            Runs.forget(transaction, job.key)

        await self.resources.database.write(store)
        return {}
