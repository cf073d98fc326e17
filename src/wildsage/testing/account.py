"""An AWS account on an ephemeral server: its credentials, and sessions bound to it."""

import contextlib
import importlib
import os
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3

from wildsage.clients.profiles import Profiles
from wildsage.testing.environment import variables

_SDK_SESSIONS = ("sagemaker.core.helper.session_helper", "sagemaker.session")
"""Where SageMaker Python SDK v3 and v2 have their class ``Session``."""
_CREDENTIALS = ("access_key_id", "secret_access_key", "session_token")


class Session(boto3.session.Session):  # type: ignore[misc]  # boto3 has no types
    """A boto3 session whose clients talk to one server, unless an ``endpoint_url`` is given."""

    def __init__(self, server_url: str, **options: Any) -> None:
        super().__init__(**options)
        self._server_url = server_url

    def client(self, service_name: str, *arguments: Any, **options: Any) -> Any:
        """Make a client, as boto3 does."""
        options["endpoint_url"] = options.get("endpoint_url") or self._server_url
        return super().client(service_name, *arguments, **options)

    def resource(self, service_name: str, *arguments: Any, **options: Any) -> Any:
        """Make a resource, as boto3 does."""
        options["endpoint_url"] = options.get("endpoint_url") or self._server_url
        return super().resource(service_name, *arguments, **options)


@dataclass(frozen=True, slots=True)
class Account:
    """An account of an ephemeral server. Accounts see nothing of each other.

    Attributes
    ----------
    id
        12 digits.
    role
        The ARN of its execution role.
    region
        Where its sessions are, unless they say otherwise.
    """

    id: str
    role: str
    region: str
    server_url: str
    folder: Path
    credentials: Mapping[str, str | None] = field(repr=False)

    def session(self, region: str | None = None) -> Session:
        """Make a boto3 session of this account."""
        options = {f"aws_{name}": self.credentials.get(name) for name in _CREDENTIALS}
        return Session(self.server_url, region_name=region or self.region, **options)

    def sagemaker_session(self, region: str | None = None, **options: Any) -> Any:
        """Make a session of the SageMaker Python SDK, v2 or v3, whichever is installed.

        Raises
        ------
        ModuleNotFoundError
            If neither is.
        """
        for module in _SDK_SESSIONS:
            with contextlib.suppress(ModuleNotFoundError):
                make = importlib.import_module(module).Session
                return make(boto_session=self.session(region), **options)
        raise ModuleNotFoundError(
            "a session of the SageMaker Python SDK needs the package 'sagemaker', which is not installed here:"
            " pip install sagemaker   (boto3 alone needs no SDK: use the fixture wildsage_session)"
        )

    def bucket(self, prefix: str = "test") -> str:
        """Make a bucket with a name of its own, and return the name."""
        name = f"{prefix}-{uuid.uuid4().hex[:12]}"
        place = {} if self.region == "us-east-1" else {"LocationConstraint": self.region}
        options: dict[str, Any] = {"CreateBucketConfiguration": place} if place else {}
        self.session().client("s3").create_bucket(Bucket=name, **options)
        return name

    @contextlib.contextmanager
    def in_force(self) -> Iterator[None]:
        """Make it the account of all clients that code makes on its own, until the block ends."""
        secrets = {f"aws_{name}": value for name, value in self.credentials.items() if value}
        profiles = Profiles.of(os.environ).write(self.folder, secrets)
        keys = {f"AWS_{name.upper()}": self.credentials.get(name) for name in _CREDENTIALS}
        with variables({**keys, **profiles}):
            yield
