"""How many instances a job of any kind may have on this machine."""

from wildsage.compute.containers import can_share_network
from wildsage.core.errors import ResourceLimitExceededError, ValidationError
from wildsage.jobs.addresses import LARGEST_CLUSTER
from wildsage.jobs.kind import JobKind
from wildsage.services.operation import Request


def check_size(
    kind: JobKind, request: Request, *, has_sandbox: bool, is_isolated: bool, engine: str = ""
) -> None:
    """Refuse none, too many, and several where they would not find each other.

    Parameters
    ----------
    has_sandbox
        Whether containers have an ``/etc/hosts`` of their own: without it hosts do not find each other.
    is_isolated
        Whether they are to reach each other alone.
    engine
        Whose image they run; empty: none's.

    Raises
    ------
    ValidationError
        Naming the value and the rule.
    ResourceLimitExceededError
        If there would be too many instances.
    """
    count = len(kind.cluster_of(request).hosts)
    if count < 1:
        raise ValidationError(f"InstanceCount is 0: a {kind.noun} needs at least 1 instance")
    if count > LARGEST_CLUSTER:
        raise ResourceLimitExceededError(
            f"A {kind.noun} has at most {LARGEST_CLUSTER} instances here, and this one asks for {count}"
        )
    if count > 1 and not has_sandbox:
        raise ValidationError(
            f"{count} instances are not possible on this machine: without a sandbox their containers cannot find"
            " each other by name. `wildsage doctor` says what is missing; installing bubblewrap is usually enough"
        )
    if count > 1 and is_isolated and engine and not can_share_network(engine):
        raise ValidationError(
            f"EnableNetworkIsolation is not possible for {count} instances with an image of {engine} here: only podman,"
            " started by root, puts containers into a network that they alone share. Leave it out, use 1 instance, or"
            " register the image's program with `wildsage images add`"
        )
