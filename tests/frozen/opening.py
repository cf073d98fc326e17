"""A server on a frozen data directory, and how it is asked."""

import contextlib
import hashlib
import json
import tarfile
import urllib.request
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from unittest import mock

import boto3
from tests.served import REGION, ServedApplication

from wildsage.clients.discovery import OWNER_PATH
from wildsage.core.clock import Clock, SystemClock
from wildsage.core.credentials import AccessKey
from wildsage.core.signing import sign_request
from wildsage.services.events.envelope import envelope
from wildsage.store.events import Events
from wildsage.store.layout import Layout
from wildsage.store.readonly import ReadOnlyDatabase

FOLDER = Path(__file__).parent
ACCOUNT = "123456789012"


@dataclass(frozen=True)
class Opened:
    """A data directory and the server that works on it."""

    url: str
    layout: Layout
    clock: Clock

    def client(self, service):
        """Return a boto3 client."""
        key = self._key
        session = boto3.Session(key.access_key_id, key.secret_access_key, region_name=REGION)
        return session.client(service, endpoint_url=self.url)

    def explain(self, name):
        """Return what ``wildsage explain`` shows."""
        return self._ask("explain", name)

    def interrupt(self, name):
        """Take the capacity of a spot job back, as ``wildsage interrupt`` does."""
        return self._ask("interrupt", name)

    def _ask(self, call, name):
        url = f"{self.url}{OWNER_PATH}/{call}"
        body = json.dumps({"account": ACCOUNT, "region": REGION, "name": name}).encode()
        headers = sign_request(
            self._key,
            "POST",
            url,
            region=REGION,
            at=self.clock.now(),
            service="sagemaker",
            payload_hash=hashlib.sha256(body).hexdigest(),
        )
        with urllib.request.urlopen(urllib.request.Request(url, body, headers)) as reply:
            return json.load(reply)

    def events(self):
        """Return what is on the bus, oldest first, as targets get it."""
        with contextlib.closing(ReadOnlyDatabase(self.layout.state_database)) as database:
            return [envelope(event) for event in Events(database).read(0, 1_000)]

    @property
    def _key(self):
        said = json.loads(self.layout.credentials.read_text())
        return AccessKey(said["access_key_id"], said["secret_access_key"], None, ACCOUNT, "")


class SetBack(SystemClock):
    """A clock that goes on from a moment of the past."""

    def __init__(self, moment):
        self._behind = super().now() - moment

    def now(self):
        """Seconds since the epoch."""
        return round(super().now() - self._behind, 3)


def archive_of(version):
    """Return where the data directory of a release is."""
    return FOLDER / f"state-{version}.tar.gz"


def description_of(version):
    """Return where it is written what is said of it."""
    return FOLDER / f"state-{version}.json"


def unpack(version, folder):
    """Put the data directory of a release into ``FOLDER/data``; return when it was frozen."""
    with tarfile.open(archive_of(version)) as archive:
        archive.extractall(folder / "data", filter="data")
        return archive.getmember("state.db").mtime


@contextlib.contextmanager
def opened_at(folder, moment):
    """Serve ``FOLDER/data`` at the time when it was frozen: what is kept for a while only is still there."""
    clock = SetBack(moment)

    def signing_time(*, remove_tzinfo=True):
        now = datetime.fromtimestamp(clock.now(), UTC)
        return now.replace(tzinfo=None) if remove_tzinfo else now

    with (
        mock.patch("botocore.auth.get_current_datetime", signing_time),
        ServedApplication(folder, clock) as server,
    ):
        yield Opened(server.url, server.layout, clock)
