"""Host names: which are AWS's, and which service they stand for."""

import ipaddress
import re

from wildsage.core.arns import REGION

AWS_DOMAINS = (
    "amazonaws.com",
    "amazonaws.com.cn",
    "amazonaws.eu",
    "api.aws",
    "api.amazonwebservices.com.cn",
    "api.amazonwebservices.eu",
    "c2s.ic.gov",
    "sc2s.sgov.gov",
    "cloud.adc-e.uk",
    "csp.hci.ic.gov",
    "api.aws.ic.gov",
    "api.aws.scloud",
    "api.cloud-aws.adc-e.uk",
    "api.aws.hci.ic.gov",
)
"""Where the endpoints of every partition live, single and dual stack (botocore's ``partitions.json``)."""

SERVICES = frozenset(
    {
        "application-autoscaling",
        "ecr",
        "events",
        "iam",
        "logs",
        "monitoring",
        "s3",
        "sagemaker",
        "sts",
    }
)
"""The services that Wildsage has, as `service_of` names them. Requests for all others are refused."""

_REGION = re.compile(rf"{REGION}|us-gov")
_SIDE_LABELS = frozenset({"dualstack", "global", "vpce"})
_S3 = re.compile(rf"s3(-fips|-accelerate|-external-1|-({_REGION.pattern}))?")

_METADATA_NETWORKS = tuple(
    ipaddress.ip_network(network)
    for network in ("169.254.0.0/16", "fe80::/10", "fd00:ec2::/32", "100.100.100.200/32")
)


def normalized(host: str) -> str:
    """Return a host name in lower case, without brackets and final dot."""
    return host.strip("[]").rstrip(".").lower()


def is_aws_host(host: str) -> bool:
    """Tell whether a name belongs to a domain of AWS's endpoints."""
    return _domain_of(normalized(host)) is not None


def service_of(host: str) -> str | None:
    """Return the service an AWS host stands for, by its endpoint prefix; None for any other host.

    ``BUCKET.s3.eu-west-1.amazonaws.com`` is ``s3``, ``runtime.sagemaker.us-west-2.amazonaws.com`` is
    ``sagemaker``, ``dynamodb.us-east-1.amazonaws.com`` is ``dynamodb``.
    """
    name = normalized(host)
    domain = _domain_of(name)
    if domain is None:
        return None
    labels = name.removesuffix(domain).rstrip(".").split(".")
    while len(labels) > 1 and (labels[-1] in _SIDE_LABELS or _REGION.fullmatch(labels[-1])):
        labels.pop()
    if _S3.fullmatch(labels[-1]):
        return "s3"
    # Streams of CloudWatch Logs have a host of their own: stream-logs.eu-west-1.amazonaws.com.
    return labels[-1].removesuffix("-fips").removeprefix("stream-")


def is_metadata_address(host: str) -> bool:
    """Tell whether a host is the numeric address of a machine's or container's metadata service.

    The whole of the link-local networks counts: nothing else that a client could mean lives there.
    """
    try:
        address = ipaddress.ip_address(normalized(host).partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return any((mapped or address) in network for network in _METADATA_NETWORKS)


def is_loopback(host: str) -> bool:
    """Tell whether a host is this machine itself."""
    name = normalized(host)
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _domain_of(name: str) -> str | None:
    return next((domain for domain in AWS_DOMAINS if name == domain or name.endswith(f".{domain}")), None)
