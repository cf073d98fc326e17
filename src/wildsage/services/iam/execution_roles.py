"""The roles that jobs run as: the default one, made at the first start, and others made on sight."""

import json

from wildsage.services.iam.directory import ROLE, Directory, role_key
from wildsage.services.iam.roles import new_role_body
from wildsage.store.access_keys import DEFAULT_EXECUTION_ROLE
from wildsage.store.resources import AlreadyExistsError, Resources

SERVICE_ROLE_PATH = "/service-role/"
SAGEMAKER = "sagemaker.amazonaws.com"

TRUST_SAGEMAKER = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": {"Service": SAGEMAKER}, "Action": "sts:AssumeRole"}],
    }
)
_ATTACHED = ("AmazonSageMakerFullAccess", "AmazonS3FullAccess")


async def ensure_default_role(directory: Directory, account: str, *, now: float) -> str:
    """Make the default execution role unless it is there, and return its ARN.

    ``get_execution_role()`` finds it through the caller's identity, a session of this role.
    """
    found = directory.find_role(account, DEFAULT_EXECUTION_ROLE)
    if found is not None:
        return found.arn
    arn = f"arn:aws:iam::{account}:role{SERVICE_ROLE_PATH}{DEFAULT_EXECUTION_ROLE}"
    await create_execution_role(
        directory, account, arn, now=now, description="Made by Wildsage at its first start."
    )
    return arn


async def create_execution_role(
    directory: Directory, account: str, arn: str, *, now: float, description: str
) -> None:
    """Make a role that SageMaker may assume, with full access to SageMaker and S3; one that is there stays."""
    partition, resource = arn.split(":")[1], arn.split(":", 5)[5]
    path, _, name = resource.removeprefix(ROLE).rpartition("/")
    body = new_role_body(name, f"{path}/", TRUST_SAGEMAKER)
    body["Description"] = description
    body["AttachedPolicies"] = [f"arn:{partition}:iam::aws:policy/{policy}" for policy in _ATTACHED]
    try:
        await directory.write(
            lambda transaction: Resources.insert(
                transaction, role_key(account, name), arn=arn, status="", at=now, body=body
            )
        )
    except AlreadyExistsError:
        return
