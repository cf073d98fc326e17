"""What every test of the supervisor needs: a run folder, test images, a job for them."""

import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from wildsage.formats.logframes import read_frames
from wildsage.supervisor.contract import ExitRecord, JobFile, Limits, Mount, Program, archived_outputs
from wildsage.supervisor.folder import RunFolder

from .object_server import ObjectServer, serve

IMAGES = Path(__file__).parents[1] / "containers"
PATIENCE_SECONDS = 20.0


def eventually(condition, seconds=PATIENCE_SECONDS):
    """Wait until `condition` returns something true, and return it."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(0.005)
    raise AssertionError(f"not within {seconds} s: {condition}")


@dataclass
class RunOfTest:
    """A run of a test image, and what came of it."""

    folder: RunFolder
    log: Path
    endpoint_url: str = "http://127.0.0.1:9"
    started: bool = field(default=False)

    def job(self, image, command="train", environment=None, needs_opt_ml=True, **changes):
        values = {
            "run_id": self.folder.path.name,
            "purpose": "train",
            "program": Program(
                (f"/opt/program/{command}",),
                environment or {},
                (Mount(str(IMAGES / image), "/opt/program"),),
                needs_opt_ml=needs_opt_ml,
            ),
            "endpoint_url": self.endpoint_url,
            "region": "eu-west-1",
            "credentials_url": f"{self.endpoint_url}/credentials",
            "log_path": str(self.log),
            "stop_grace_seconds": 0.5,
            "outputs": archived_outputs(compressed=True) if changes.get("purpose") != "serve" else (),
            "limits": Limits(processes=256),
        }
        return JobFile(**{**values, **changes})

    def start(self, image, **changes):
        self.folder.write_job(self.job(image, **changes), "the-token")
        self.folder.launch()
        self.started = True

    def wait(self) -> ExitRecord:
        eventually(lambda: not self.folder.is_alive())
        record = self.folder.exit_record()
        assert record is not None, (self.folder.path / "supervisor.log").read_text()
        return record

    def carry(self, image, **changes) -> ExitRecord:
        self.start(image, **changes)
        return self.wait()

    def kinds(self):
        return [event.kind for event in self.folder.events()]

    def wait_for(self, kind):
        eventually(lambda: kind in self.kinds() or not self.folder.is_alive())
        assert kind in self.kinds(), self.folder.exit_record()

    def lines(self):
        with self.log.open("rb") as file:
            return [frame.message for frame in read_frames(file, 0)]


@pytest.fixture
def run(tmp_path):
    run = RunOfTest(RunFolder(tmp_path / "run-1"), tmp_path / "logs" / "stream")
    yield run
    if run.started and run.folder.is_alive():
        run.folder.request_stop()
        eventually(lambda: not run.folder.is_alive())


@pytest.fixture
def store():
    store = ObjectServer()
    server = serve(store)
    yield store
    server.shutdown()
    server.server_close()
