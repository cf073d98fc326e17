"""The owner's file and the table of temporary keys."""

import asyncio
import json
import re
import stat
from pathlib import Path

import pytest

from wildsage.core.credentials import AccessKey
from wildsage.store.access_keys import AccessKeys, open_owner_key
from wildsage.store.database import Database

ACCOUNT = "123456789012"
ROLE_SESSION = f"arn:aws:sts::{ACCOUNT}:assumed-role/R/s"


@pytest.fixture
def database(tmp_path: Path):
    database = Database(tmp_path / "state.db", "state")
    yield database
    database.close()


@pytest.fixture
def keys(database: Database, tmp_path: Path) -> AccessKeys:
    return AccessKeys(database, open_owner_key(tmp_path / "credentials.json", ACCOUNT))


def test_first_start_makes_a_file_for_the_owner_alone(tmp_path: Path):
    path = tmp_path / "credentials.json"
    key = open_owner_key(path, ACCOUNT)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert re.fullmatch("AKIA[A-Z2-7]{16}", key.access_key_id)
    assert re.fullmatch("[A-Za-z0-9+/]{40}", key.secret_access_key)
    assert key.principal_arn == f"arn:aws:sts::{ACCOUNT}:assumed-role/AmazonSageMaker-ExecutionRole/wildsage"
    assert (key.session_token, key.expires_at) == (None, None)
    assert list(tmp_path.iterdir()) == [path]


def test_second_start_has_the_same_key(tmp_path: Path):
    path = tmp_path / "credentials.json"
    assert open_owner_key(path, ACCOUNT) == open_owner_key(path, ACCOUNT)


def test_opened_permissions_are_closed(tmp_path: Path):
    path = tmp_path / "credentials.json"
    open_owner_key(path, ACCOUNT)
    path.chmod(0o644)
    open_owner_key(path, ACCOUNT)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_another_account_is_refused(tmp_path: Path):
    path = tmp_path / "credentials.json"
    open_owner_key(path, ACCOUNT)
    with pytest.raises(ValueError, match="--account 123456789012"):
        open_owner_key(path, "999999999999")


@pytest.mark.parametrize("text", ["", "[]", "{}", json.dumps({"account": ACCOUNT})])
def test_damaged_file_is_named_and_kept(tmp_path: Path, text: str):
    path = tmp_path / "credentials.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"credentials\.json is damaged"):
        open_owner_key(path, ACCOUNT)
    assert path.read_text() == text


def test_secrets_are_not_in_repr(tmp_path: Path):
    key = open_owner_key(tmp_path / "credentials.json", ACCOUNT)
    assert key.secret_access_key not in repr(key)


def test_issue_find_and_survive_a_restart(keys: AccessKeys, database: Database):
    key = asyncio.run(keys.issue(ACCOUNT, ROLE_SESSION, now=1000.5, lifetime=900))
    assert key.access_key_id.startswith("ASIA")
    assert key.expires_at == 1900
    assert keys.find(key.access_key_id) == key
    assert AccessKeys(database, keys.owner).find(key.access_key_id) == key
    assert keys.find(keys.owner.access_key_id) == keys.owner
    assert keys.find("AKIANOBODY") is None


def test_revoked_keys_are_gone_from_memory_too(keys: AccessKeys):
    async def issue(bound_to: str) -> AccessKey:
        key = await keys.issue(ACCOUNT, ROLE_SESSION, now=1000, lifetime=900, bound_to=bound_to)
        assert keys.find(key.access_key_id) == key
        return key

    async def run() -> list[AccessKey | None]:
        job = [await issue("arn:job/a"), await issue("arn:job/a")]
        other, single = await issue("arn:job/b"), await issue("")
        await keys.revoke_bound("arn:job/a")
        await keys.revoke(single.access_key_id)
        return [keys.find(key.access_key_id) for key in [*job, single, other]]

    found = asyncio.run(run())
    assert found[:3] == [None, None, None]
    assert found[3] is not None


def test_keys_expired_for_a_day_are_forgotten(keys: AccessKeys, database: Database):
    async def run() -> tuple[AccessKey, AccessKey]:
        old = await keys.issue(ACCOUNT, ROLE_SESSION, now=0, lifetime=900)
        recent = await keys.issue(ACCOUNT, ROLE_SESSION, now=80000, lifetime=900)
        await keys.issue(ACCOUNT, ROLE_SESSION, now=100000, lifetime=900)
        return old, recent

    old, recent = asyncio.run(run())
    assert keys.find(old.access_key_id) is None
    assert keys.find(recent.access_key_id) == recent
