"""The N-th write or sync of the metadata fails with an I/O error, for every N: the database stays sound."""

import pytest
from botocore.exceptions import ClientError
from tests.faults.disk.shim import Disk
from tests.faults.platform import IMAGE, ROLE, until

REGION = {"LocationConstraint": "us-west-2"}


@pytest.fixture
def broken(cold_platform, tmp_path):
    disk = Disk(cold_platform.layout.root, tmp_path)
    yield cold_platform, disk
    disk.close()


class Requests:
    """Creates with names of their own; knows which were acknowledged and which were refused."""

    def __init__(self, platform):
        self._platform = platform
        self.acknowledged = []
        self.refused = []
        self.errors = []

    def send(self, number):
        """Send one of each kind; returns whether the disk failed under one of them."""
        s3, sagemaker = self._platform.client("s3"), self._platform.client("sagemaker")
        name = f"name-{number}"
        model = {"ModelName": name, "ExecutionRoleArn": ROLE, "PrimaryContainer": {"Image": IMAGE}}
        before = len(self.refused)
        self._try("model", name, lambda: sagemaker.create_model(**model))
        self._try("object", name, lambda: s3.put_object(Bucket="out", Key=name, Body=name.encode()))
        return len(self.refused) > before

    def _try(self, kind, name, call):
        try:
            call()
        except ClientError as error:
            self.refused.append((kind, name))
            self.errors.append(error.response)
        else:
            self.acknowledged.append((kind, name))

    def check(self):
        """All that was acknowledged is there; what was refused is not, and the reason was told."""
        for error in self.errors:
            assert error["ResponseMetadata"]["HTTPStatusCode"] == 500
            assert (
                "The server's disk failed (disk I/O error): nothing was stored" in error["Error"]["Message"]
            )
        platform = self._platform
        s3, sagemaker = platform.client("s3"), platform.client("sagemaker")
        models = {
            row["name"] for row in platform.rows("state.db", "SELECT name FROM resource WHERE kind = 'model'")
        }
        keys = {row["key"] for row in platform.rows("state.db", "SELECT key FROM object")}
        assert {("model", name) for name in models} | {("object", key) for key in keys} == set(
            self.acknowledged
        )
        for kind, name in self.acknowledged:
            if kind == "object":
                assert s3.get_object(Bucket="out", Key=name)["Body"].read() == name.encode()
        if models:
            assert sagemaker.list_models()["Models"]


@pytest.mark.parametrize("calls", [6, pytest.param(150, marks=pytest.mark.faults)])
def test_an_io_error_at_the_nth_write_is_told_and_loses_nothing(broken, calls):
    platform, disk = broken
    platform.start(**disk.environment)
    platform.client("s3").create_bucket(Bucket="out", CreateBucketConfiguration=REGION)
    requests = Requests(platform)
    failed = 0
    for number in range(calls):
        disk.break_after(number % 40, "state.db")
        turn = 0
        while not disk.hits:
            failed += requests.send(f"{number}-{turn}")
            turn += 1
        disk.mend()
    assert failed >= calls / 2  # the others hit what nobody waited for
    requests.check()
    assert platform.rows("state.db", "PRAGMA integrity_check")[0][0] == "ok"
    platform.restart()
    requests.check()
    assert platform.rows("state.db", "PRAGMA integrity_check")[0][0] == "ok"


@pytest.mark.faults
def test_a_start_that_meets_an_io_error_ends_with_a_line_or_goes_well(broken):
    platform, disk = broken
    for number in range(0, 60, 3):
        disk.break_after(number, "state.db")
        platform.launch(**disk.environment)
        until(lambda: platform.process.poll() is not None or platform.layout.server.exists())
        if platform.process.poll() is not None:
            assert platform.process.returncode == 1
        hits = disk.mend()
        platform.kill()
        platform.layout.server.unlink(missing_ok=True)
        said = platform.output.read_text()
        assert "Traceback" not in said, (number, hits, said[-3000:])
        platform.output.write_text("")
    platform.start()
    assert platform.rows("state.db", "PRAGMA integrity_check")[0][0] == "ok"
