"""What a handler knows about the request it serves."""

from dataclasses import dataclass

from wildsage.core.clock import Clock


@dataclass(frozen=True, slots=True)
class RequestContext:
    """Who asks, where and when. Every operation gets one; orchestrators and machinery make their own.

    Attributes
    ----------
    account, region, partition
        Where the resources of this request live. The key of every resource begins (account, region).
    principal_arn
        The caller, e.g. ``arn:aws:sts::123456789012:assumed-role/ROLE/SESSION``.
    request_id
        Sent back in the response and written to the server's log.
    clock
        The only source of time.
    endpoint_url
        The address at which the client reached this server, e.g. ``http://127.0.0.1:8172``.
    """

    account: str
    region: str
    partition: str
    principal_arn: str
    request_id: str
    clock: Clock
    endpoint_url: str = ""
