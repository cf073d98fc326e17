"""Clients that create, upload and invoke until they are told to stop, whatever dies meanwhile."""

import contextlib
import hashlib
import random
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from botocore.exceptions import ClientError
from tests.faults.platform import TERMINAL, Platform, connection_lost
from tests.faults.soak.ledger import ABSENT, Failure, Ledger

KEYS = 300
LARGEST_OBJECT = 2 * 1024 * 1024
PART = 5 * 1024 * 1024


class Client(threading.Thread):
    """Acts again and again, at a mean pace.

    Parameters
    ----------
    act
        One step. What it raises is a violation: lost connections are its own business.
    pace
        Mean seconds between two steps.
    """

    def __init__(self, name: str, ledger: Ledger, act: Callable[[random.Random], None], pace: float) -> None:
        super().__init__(name=name, daemon=True)
        self._ledger, self._act, self._pace = ledger, act, pace
        self._random = random.Random(name)
        self._told = threading.Event()

    def run(self) -> None:
        while not self._told.wait(self._random.expovariate(1 / self._pace)):
            try:
                self._act(self._random)
            except Exception as error:
                self._ledger.violation(f"{self.name}: {type(error).__name__}: {error}")

    def stop(self) -> None:
        self._told.set()
        self.join(60)


def crowd(platform: Platform, ledger: Ledger) -> list[Client]:
    """Return the clients of a soak."""
    acts = {
        "creator": (_Jobs(platform, ledger).create, 0.7),
        "watcher": (_Jobs(platform, ledger).look, 0.5),
        "uploader": (_Objects(platform, ledger, "a").upload, 0.15),
        "other-uploader": (_Objects(platform, ledger, "b").upload, 0.15),
        "multipart-uploader": (_Objects(platform, ledger, "m").upload_parts, 4.0),
        "reader": (_Objects(platform, ledger, "a").read, 0.15),
        "invoker": (_Invocations(platform, ledger).invoke, 0.05),
    }
    return [Client(name, ledger, act, pace) for name, (act, pace) in acts.items()]


class _Jobs:
    def __init__(self, platform: Platform, ledger: Ledger) -> None:
        self._platform, self._ledger = platform, ledger
        self._number = 0

    def create(self, chance: random.Random) -> None:
        self._number += 1
        name, steps = f"job-{self._number}", chance.randrange(30)
        self._ledger.steps[name] = steps
        try:
            self._platform.create_job(name, STEPS=steps, PAUSE=chance.choice([0, 0.01, 0.05]))
        except connection_lost():
            self._ledger.unsure_jobs.add(name)
        else:
            self._ledger.jobs.add(name)
            self._ledger.count("CreateTrainingJob")

    def look(self, chance: random.Random) -> None:
        known = list(self._ledger.jobs)
        if not known:
            return
        name = chance.choice(known[-50:])
        with contextlib.suppress(*connection_lost()):
            status = self._platform.job(name)["TrainingJobStatus"]
            self._ledger.count("DescribeTrainingJob")
            if status in TERMINAL:
                self._ledger.ended(name, status)


class _Objects:
    """Writes keys that nobody else writes."""

    def __init__(self, platform: Platform, ledger: Ledger, prefix: str) -> None:
        self._platform, self._ledger, self._prefix = platform, ledger, prefix

    def _key(self, chance: random.Random) -> str:
        return f"{self._prefix}/{chance.randrange(KEYS)}"

    @contextlib.contextmanager
    def _changing(self, key: str, digest: str, call: str) -> Iterator[None]:
        """Note what a key holds after a change, or that nobody knows."""
        with self._ledger.lock:
            before = self._ledger.objects.get(key, {ABSENT})
            self._ledger.objects[key] = before | {digest}
        with contextlib.suppress(*connection_lost()):
            yield
            with self._ledger.lock:
                self._ledger.objects[key] = {digest}
            self._ledger.count(call)

    def upload(self, chance: random.Random) -> None:
        s3, key = self._platform.client("s3"), self._key(chance)
        if chance.random() < 0.1:
            with self._changing(key, ABSENT, "DeleteObject"):
                s3.delete_object(Bucket="out", Key=key)
            return
        content = chance.randbytes(int(LARGEST_OBJECT * chance.random() ** 4))
        with self._changing(key, _digest(content), "PutObject"):
            s3.put_object(Bucket="out", Key=key, Body=content)

    def upload_parts(self, chance: random.Random) -> None:
        s3, key = self._platform.client("s3"), self._key(chance)
        parts = [chance.randbytes(PART), chance.randbytes(PART // 7)]
        name = {"Bucket": "out", "Key": key}
        with self._changing(key, _digest(b"".join(parts)), "CompleteMultipartUpload"):
            upload = {**name, "UploadId": s3.create_multipart_upload(**name)["UploadId"]}
            sent = [
                {"PartNumber": number, "ETag": s3.upload_part(**upload, PartNumber=number, Body=part)["ETag"]}
                for number, part in enumerate(parts, 1)
            ]
            s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": sent})

    def read(self, chance: random.Random) -> None:
        key = self._key(chance)
        with self._ledger.lock:
            allowed = set(self._ledger.objects.get(key, {ABSENT}))
        with contextlib.suppress(*connection_lost()):
            found = digest_of(self._platform, key)
            with self._ledger.lock:  # an upload may have passed meanwhile
                allowed |= self._ledger.objects.get(key, {ABSENT})
            self._ledger.count("GetObject")
            if found not in allowed and not self._changed_twice(key, found):
                self._ledger.violation(f"object {key} reads as {found or 'absent'}, of {allowed}")

    def _changed_twice(self, key: str, found: str) -> bool:
        """Whether two uploads passed during one read; then a second read finds one of the known."""
        again = digest_of(self._platform, key)
        with self._ledger.lock:
            return again != found and again in self._ledger.objects.get(key, {ABSENT})


class _Invocations:
    def __init__(self, platform: Platform, ledger: Ledger) -> None:
        self._platform, self._ledger = platform, ledger

    def invoke(self, _chance: random.Random) -> None:
        began = time.monotonic()
        try:
            self._platform.invoke()
        except (ClientError, *connection_lost()) as error:
            is_answer = isinstance(error, ClientError)
            self._ledger.failures.append(Failure(began, time.monotonic(), str(error), is_answer))
        else:
            self._ledger.invocations += 1
            self._ledger.count("InvokeEndpoint")


def digest_of(platform: Platform, key: str) -> str:
    """Return the digest of an object as it reads now."""
    s3: Any = platform.client("s3")
    try:
        body = s3.get_object(Bucket="out", Key=key)["Body"].read()
    except ClientError as error:
        if error.response["Error"]["Code"] != "NoSuchKey":
            raise
        return ABSENT
    return _digest(body)


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
