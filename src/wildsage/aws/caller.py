"""Who signed a request: what the authentication step hands on."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Caller:
    """The principal behind a verified signature, and the scope it signed for.

    Attributes
    ----------
    account, principal_arn
        Whom the access key stands for.
    signing_name, region
        Service and region of the credential scope, e.g. ``sagemaker`` and ``us-west-2``. A SigV2
        signature has no scope: ``s3`` and an empty region, which the gateway fills in.
    """

    account: str
    principal_arn: str
    signing_name: str
    region: str
