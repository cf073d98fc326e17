"""Keys of the account that owns the public sample buckets, for the owner of this installation."""

from collections.abc import Mapping
from typing import Any

from wildsage.core.clock import Clock
from wildsage.core.sample_buckets import SAMPLES_ACCOUNT
from wildsage.store.access_keys import AccessKeys

_LIFETIME_SECONDS = 3600.0


class SampleKeys:
    """Issues temporary keys with which ``wildsage seed`` writes: an owner's call."""

    def __init__(self, keys: AccessKeys, clock: Clock) -> None:
        self._keys = keys
        self._clock = clock

    async def issue(self, _members: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return a new key, as botocore's clients take it."""
        key = await self._keys.issue(
            SAMPLES_ACCOUNT,
            f"arn:aws:sts::{SAMPLES_ACCOUNT}:assumed-role/Seeder/wildsage",
            now=self._clock.now(),
            lifetime=_LIFETIME_SECONDS,
        )
        names = ("access_key_id", "secret_access_key", "session_token")
        return {f"aws_{name}": getattr(key, name) for name in names}
