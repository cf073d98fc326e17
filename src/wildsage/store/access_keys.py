"""Access keys: the owner's long-term key in a file of its own, temporary keys in the database."""

import base64
import json
import logging
import os
import secrets
import sqlite3
import stat
from collections import OrderedDict
from pathlib import Path

from wildsage.core.credentials import AccessKey
from wildsage.store.database import Database, Transaction

DEFAULT_EXECUTION_ROLE = "AmazonSageMaker-ExecutionRole"
OWNER_SESSION = "wildsage"

_KEPT_AFTER_EXPIRY = 24 * 3600
"""An expired key is known for a day, so that its user hears ``ExpiredToken`` and not that it never was."""
_LARGEST_CACHE = 1024
_COLUMNS = "access_key_id, secret_access_key, session_token, account, principal_arn, expires_at"

_log = logging.getLogger(__name__)


def open_owner_key(path: Path, account: str) -> AccessKey:
    """Read the owner's key, or make it at the first start, readable by the owner alone.

    It is a long-term key, but stands for a session of the default execution role: that is what
    ``sagemaker.get_execution_role()`` requires of its caller.

    Raises
    ------
    ValueError
        If the file is damaged, or belongs to another account than `account`.
    """
    if not path.exists():
        _write_once(path, _new_owner_key(account))
    if stat.S_IMODE(path.stat().st_mode) & 0o077:
        _log.warning("%s could be read by others than its owner; it is closed now", path)
        path.chmod(0o600)
    try:
        raw = json.loads(path.read_text())
        key = AccessKey(
            access_key_id=raw["access_key_id"],
            secret_access_key=raw["secret_access_key"],
            session_token=None,
            account=raw["account"],
            principal_arn=raw["principal_arn"],
        )
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"{path} is damaged ({error!r}): restore it, or remove it and get new keys"
        ) from None
    if key.account != account:
        raise ValueError(
            f"this data directory belongs to account {key.account}, not {account}:"
            f" start with --account {key.account}, or with another --data-dir"
        )
    return key


def _new_owner_key(account: str) -> AccessKey:
    principal = f"arn:aws:sts::{account}:assumed-role/{DEFAULT_EXECUTION_ROLE}/{OWNER_SESSION}"
    return AccessKey(_new_id("AKIA"), _new_secret(), None, account, principal)


def _write_once(path: Path, key: AccessKey) -> None:
    """Put the file in place whole and durable; one that another process made meanwhile stays."""
    text = json.dumps(
        {
            "account": key.account,
            "access_key_id": key.access_key_id,
            "secret_access_key": key.secret_access_key,
            "principal_arn": key.principal_arn,
        },
        indent=1,
    )
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(descriptor)
    try:
        os.link(temporary, path)
    except FileExistsError:
        pass
    finally:
        temporary.unlink()
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


class AccessKeys:
    """Finds, issues and revokes keys.

    `find` is called for every request, from the event loop: the owner's key and those used lately are in
    memory. The server is the only process that changes keys, so the memory is never stale.

    Parameters
    ----------
    owner
        The long-term key, of `open_owner_key`.
    """

    def __init__(self, database: Database, owner: AccessKey) -> None:
        self._database = database
        self._owner = owner
        self._recent: OrderedDict[str, AccessKey] = OrderedDict()

    @property
    def owner(self) -> AccessKey:
        """The owner's key."""
        return self._owner

    def find(self, access_key_id: str) -> AccessKey | None:
        """Return what is known of a key, expired or not; None for one that never was or was revoked."""
        if access_key_id == self._owner.access_key_id:
            return self._owner
        key = self._recent.get(access_key_id)
        if key is not None:
            return key
        row = self._database.read_one(
            f"SELECT {_COLUMNS} FROM access_key WHERE access_key_id = ?",  # noqa: S608 - constant columns
            (access_key_id,),
        )
        if row is None:
            return None
        key = _key(row)
        self._recent[access_key_id] = key
        if len(self._recent) > _LARGEST_CACHE:
            self._recent.popitem(last=False)
        return key

    async def issue(
        self, account: str, principal_arn: str, *, now: float, lifetime: float, bound_to: str = ""
    ) -> AccessKey:
        """Make temporary credentials.

        Parameters
        ----------
        lifetime
            Seconds until they expire.
        bound_to
            For `revoke_bound`: the ARN of the job they are for.
        """
        key = AccessKey(
            access_key_id=_new_id("ASIA"),
            secret_access_key=_new_secret(),
            session_token=base64.b64encode(secrets.token_bytes(192)).decode(),
            account=account,
            principal_arn=principal_arn,
            expires_at=float(int(now + lifetime)),
        )

        def store(transaction: Transaction) -> None:
            transaction.execute("DELETE FROM access_key WHERE expires_at < ?", (now - _KEPT_AFTER_EXPIRY,))
            transaction.execute(
                f"INSERT INTO access_key ({_COLUMNS}, bound_to) VALUES (?, ?, ?, ?, ?, ?, ?)",  # noqa: S608 - constant columns
                (
                    key.access_key_id, key.secret_access_key, key.session_token, account, principal_arn,
                    key.expires_at, bound_to,
                ),
            )  # fmt: skip

        await self._database.write(store)
        return key

    async def revoke(self, access_key_id: str) -> None:
        """End one key now; an unknown one is no error."""
        await self._delete("access_key_id", access_key_id)

    async def revoke_bound(self, bound_to: str) -> None:
        """End all keys that were issued for something, e.g. a job that has ended."""
        await self._delete("bound_to", bound_to)

    async def _delete(self, column: str, value: str) -> None:
        def delete(transaction: Transaction) -> list[str]:
            rows = transaction.execute(f"SELECT access_key_id FROM access_key WHERE {column} = ?", (value,))  # noqa: S608 - constant columns
            found = [row["access_key_id"] for row in rows.fetchall()]
            transaction.execute(f"DELETE FROM access_key WHERE {column} = ?", (value,))  # noqa: S608 - constant text
            return found

        for access_key_id in await self._database.write(delete):
            self._recent.pop(access_key_id, None)


def _key(row: sqlite3.Row) -> AccessKey:
    return AccessKey(
        access_key_id=row["access_key_id"],
        secret_access_key=row["secret_access_key"],
        session_token=row["session_token"],
        account=row["account"],
        principal_arn=row["principal_arn"],
        expires_at=row["expires_at"],
    )


def _new_id(prefix: str) -> str:
    """Return four letters that tell the kind and sixteen random characters of base 32."""
    return prefix + base64.b32encode(secrets.token_bytes(10)).decode()


def _new_secret() -> str:
    return base64.b64encode(secrets.token_bytes(30)).decode()
