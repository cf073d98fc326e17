"""The power fails right after an answer was sent: what it acknowledged is on the disk.

The trace of a server's calls says what was synced before each answer. A model of the disk keeps that and forgets the
rest; the databases and files of that moment have to hold every create, object and delete that was answered before.
"""

import contextlib
import hashlib
import os
import sqlite3

import pytest
from tests.faults.disk.shim import Disk, Platter, read_calls
from tests.faults.platform import IMAGE, ROLE, Platform

from wildsage.store.layout import Layout

REGION = {"LocationConstraint": "us-west-2"}


class Checked:
    """A folder as a power cut left it."""

    def __init__(self, root):
        self._layout = Layout(root)
        self._state = sqlite3.connect(self._layout.state_database)

    def close(self):
        assert self._state.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        self._state.close()

    def has_resource(self, kind, name):
        query = "SELECT 1 FROM resource WHERE kind = ? AND name = ?"
        return self._state.execute(query, (kind, name)).fetchone() is not None

    def has_bucket(self, name):
        return self._state.execute("SELECT 1 FROM bucket WHERE name = ?", (name,)).fetchone() is not None

    def content(self, key):
        """The bytes of an object; None where there is no such object."""
        rows = self._state.execute(
            "SELECT piece.blob FROM object JOIN piece ON piece.content = object.content WHERE key = ?"
            " ORDER BY piece.number",
            (key,),
        ).fetchall()
        return b"".join(self._layout.content(blob).read_bytes() for (blob,) in rows) if rows else None


class Day:
    """What a client does. `acknowledged` has the id of each answer, and what must hold from then on."""

    def __init__(self, platform):
        self._platform = platform
        self.acknowledged = []
        self._gone = set()

    def _did(self, answer, holds):
        self.acknowledged.append((answer["ResponseMetadata"]["RequestId"], holds))

    def live(self, rounds):
        s3, sagemaker = self._platform.client("s3"), self._platform.client("sagemaker")
        self._did(
            s3.create_bucket(Bucket="out", CreateBucketConfiguration=REGION),
            lambda disk: disk.has_bucket("out"),
        )
        for number in range(rounds):
            self._objects(s3, number)
            self._resources(sagemaker, number)

    def _objects(self, s3, number):
        small, large = f"small {number}".encode(), os.urandom(2_500_000)
        for key, body in (("small", small), ("large", large)):
            name = f"{key}-{number}"
            answer = s3.put_object(Bucket="out", Key=name, Body=body)
            self._did(
                answer, lambda disk, name=name, body=body: disk.content(name) in (body, *self._later(name))
            )
        answer = s3.put_object(Bucket="out", Key="same", Body=small)  # replaces what was there
        allowed = [f"small {later}".encode() for later in range(number, 100)]
        self._did(answer, lambda disk: disk.content("same") in allowed)
        answer = s3.delete_object(Bucket="out", Key=f"small-{number}")
        self._gone.add(f"small-{number}")
        self._did(answer, lambda disk: disk.content(f"small-{number}") is None)
        parts = [os.urandom(5 << 20), b"the end"]
        upload = s3.create_multipart_upload(Bucket="out", Key=f"parts-{number}")["UploadId"]
        tags = [
            s3.upload_part(Bucket="out", Key=f"parts-{number}", UploadId=upload, PartNumber=index, Body=part)[
                "ETag"
            ]
            for index, part in enumerate(parts, 1)
        ]
        done = {"Parts": [{"ETag": tag, "PartNumber": index} for index, tag in enumerate(tags, 1)]}
        answer = s3.complete_multipart_upload(
            Bucket="out", Key=f"parts-{number}", UploadId=upload, MultipartUpload=done
        )
        digest = hashlib.sha256(b"".join(parts)).digest()
        self._did(
            answer, lambda disk: hashlib.sha256(disk.content(f"parts-{number}") or b"").digest() == digest
        )

    def _resources(self, sagemaker, number):
        name = f"name-{number}"
        container = {"Image": IMAGE}
        answer = sagemaker.create_model(ModelName=name, ExecutionRoleArn=ROLE, PrimaryContainer=container)
        self._did(answer, lambda disk: disk.has_resource("model", name))
        answer = sagemaker.create_training_job(**self._platform.job_request(name, HOLD=1))
        self._did(answer, lambda disk: disk.has_resource("training-job", name))

    def _later(self, name):
        return (None,) if name in self._gone else ()


@pytest.fixture
def traced(cold_platform, tmp_path):
    disk = Disk(cold_platform.layout.root, tmp_path, traced=True)
    yield cold_platform, disk
    disk.close()


@pytest.mark.parametrize("rounds", [1, pytest.param(12, marks=pytest.mark.faults)])
def test_what_was_acknowledged_is_on_the_disk_when_the_power_fails(traced, tmp_path, rounds):
    platform, disk = traced
    before = {path: path.read_bytes() for path in platform.layout.root.rglob("*") if path.is_file()}
    folders = [path for path in platform.layout.root.rglob("*") if path.is_dir()]
    platform.start(**disk.environment)
    day = Day(platform)
    day.live(rounds)
    platform.kill()
    platter = Platter(platform.layout.root)
    platter.begin_with(folders, before)
    waiting = list(day.acknowledged)
    held = []
    synced = 0
    for call in read_calls(disk.trace):
        if call.kind == "x" and waiting and waiting[0][0].encode() in call.data:
            held.append(waiting.pop(0)[1])
            with contextlib.closing(Checked(platter.write(tmp_path / f"cut-{len(held)}"))) as left:
                for number, holds in enumerate(held):
                    assert holds(left), f"answer {number} is lost after answer {len(held)}"
        synced += call.kind == "s"
        platter.carry_out(call)
    assert not waiting
    assert synced > len(held)


@pytest.mark.faults
def test_a_server_starts_on_what_a_power_cut_left(traced, tmp_path):
    platform, disk = traced
    before = {path: path.read_bytes() for path in platform.layout.root.rglob("*") if path.is_file()}
    folders = [path for path in platform.layout.root.rglob("*") if path.is_dir()]
    platform.start(**disk.environment)
    s3 = platform.client("s3")
    s3.create_bucket(Bucket="out", CreateBucketConfiguration=REGION)
    s3.put_object(Bucket="out", Key="key", Body=b"body")
    platform.create_job("job", STEPS=1)
    last = platform.client("sagemaker").list_models()["ResponseMetadata"]["RequestId"]
    platform.end()
    platter = Platter(platform.layout.root)
    platter.begin_with(folders, before)
    for call in read_calls(disk.trace):
        if call.kind == "x" and last.encode() in call.data:
            break
        platter.carry_out(call)
    after = Platform(tmp_path / "after")
    for path in sorted(after.layout.root.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    after.layout.root.rmdir()
    platter.write(after.layout.root)
    try:
        after.start()
        assert after.client("s3").get_object(Bucket="out", Key="key")["Body"].read() == b"body"
        assert after.ended("job")["TrainingJobStatus"] == "Completed"
        assert sum(line.startswith("end") for line in after.log("job")) >= 1
    finally:
        after.end()


def test_the_model_of_the_disk_forgets_what_was_not_synced(tmp_path):
    """Without this, the tests above could not fail."""
    from tests.faults.disk.shim import Call

    def left(*calls):
        platter = Platter(tmp_path)
        for call in calls:
            platter.carry_out(call)
        target = platter.write(tmp_path / f"left-{len(list(tmp_path.iterdir()))}")
        return {path.name: path.read_bytes() for path in target.iterdir() if path.is_file()}

    root = str(tmp_path)
    create = Call("c", 7, 0, f"{root}/a", "", b"")
    write = Call("w", 7, 0, "", "", b"data")
    sync = Call("s", 7, 0, f"{root}/a", "", b"")
    names = Call("s", 1, 0, root, "", b"")
    rename = Call("r", 7, 0, f"{root}/a", f"{root}/b", b"")
    assert left(create, write, sync) == {}
    assert left(create, write, names) == {"a": b""}
    assert left(create, write, sync, names) == {"a": b"data"}
    assert left(create, write, sync, names, write, rename) == {"a": b"data"}
    assert left(create, write, sync, rename, names) == {"b": b"data"}
    assert left(create, write, sync, names, Call("u", 7, 0, f"{root}/a", "", b"")) == {"a": b"data"}
