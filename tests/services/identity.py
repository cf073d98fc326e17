"""A live gateway with IAM and STS behind it, and boto3 in front."""

import asyncio
import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.live import client, serve

from wildsage.aws.authentication import Authenticator
from wildsage.aws.gateway import Gateway
from wildsage.core.clock import SystemClock
from wildsage.core.credentials import AccessKey
from wildsage.services.authorization import Authorizer, Roles
from wildsage.services.iam.handlers import iam_handlers
from wildsage.services.operation import operations_of
from wildsage.services.sts.sessions import Sessions
from wildsage.store.access_keys import AccessKeys, open_owner_key
from wildsage.store.database import Database
from wildsage.store.resources import Resources
from wildsage.store.tags import Tags

ACCOUNT = "123456789012"
DEFAULT_ROLE_ARN = f"arn:aws:iam::{ACCOUNT}:role/service-role/AmazonSageMaker-ExecutionRole"


@dataclass
class Identity:
    """What a test of identities needs."""

    url: str
    resources: Resources
    keys: AccessKeys

    def client(self, service: str, key: AccessKey | None = None, **options: Any) -> Any:
        used = key or self.keys.owner
        return client(
            service,
            self.url,
            aws_access_key_id=used.access_key_id,
            aws_secret_access_key=used.secret_access_key,
            aws_session_token=used.session_token,
            **options,
        )


@contextlib.contextmanager
def identity(folder: Path) -> Iterator[Identity]:
    """Serve IAM and STS on a state of its own, with the default role."""
    state, clock = Database(folder / "state.db", "state"), SystemClock()
    resources, tags = Resources(state), Tags(state)
    keys = AccessKeys(state, open_owner_key(folder / "credentials.json", ACCOUNT))
    asyncio.run(Roles(resources, clock).ensure_default_role(ACCOUNT))
    authorizer = Authorizer(resources)
    handlers = {
        "iam": iam_handlers(resources, tags),
        "sts": operations_of(Sessions(resources, keys)),
    }
    try:
        authenticate = Authenticator(keys.find, clock)
        with serve(Gateway(handlers, authenticate, authorizer.authorize_operation, {}, clock)) as url:
            yield Identity(url, resources, keys)
    finally:
        state.close()
