"""Launch small shell containers in any backend and read what they say."""

import os
import select
import tempfile
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from tests.engines import machine_image

from wildsage.compute.base import Container, LaunchError, Limits, Mount
from wildsage.compute.engine import ENGINES
from wildsage.compute.select import BACKENDS, ENGINE_BACKENDS
from wildsage.core.engine_images import EngineImage

PATIENCE_SECONDS = 20.0
MACHINE_MOUNTS = tuple(
    Mount(path, path) for path in ("/usr", "/etc/ssl/certs", "/etc/alternatives") if Path(path).is_dir()
)
"""For images that hold no program: they run this machine's."""

SANDBOXES = [
    *(pytest.param(sandbox, id=sandbox.name) for sandbox in BACKENDS),
    *(pytest.param(sandbox, id=sandbox.name, marks=pytest.mark.engines) for sandbox in ENGINE_BACKENDS),
]


@dataclass
class Launched:
    """A container of a test. Its output ends when its last process has."""

    process: object
    pipe: int
    said: bytes = b""
    ended: bool = False

    def read_until(self, wanted=None):
        """Read until `wanted` came; None: until every process that could write is gone."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while wanted is None or wanted not in self.said:
            ready, _, _ = select.select([self.pipe], [], [], max(0, deadline - time.monotonic()))
            assert ready, f"nothing more came: {self.said!r}"
            chunk = os.read(self.pipe, 65536)
            if not chunk:
                self.ended = True
                assert wanted is None, f"the end came before {wanted!r}: {self.said!r}"
                break
            self.said += chunk
        return self.said.decode()

    def wait(self):
        code = self.process.wait(PATIENCE_SECONDS)
        assert code is not None, f"still runs: {self.said!r}"
        return code


@dataclass
class Bench:
    """Starts containers and clears up behind them."""

    sandbox: object
    folder: Path
    image: EngineImage | None = None
    launched: list = field(default_factory=list)

    def container(self, script, **changes):
        (self.folder / "ml").mkdir(exist_ok=True)
        root = Path(tempfile.mkdtemp(prefix="root-", dir=self.folder))
        values = {
            "argv": ("/bin/sh", "-c", script),
            "environment": {"PATH": "/usr/bin:/bin", "ML": "/opt/ml"},
            "root": root,
            "mounts": (Mount(str(self.folder / "ml"), "/opt/ml", writable=True),),
            "limits": Limits(processes=None),
            "image": self.image,
        }
        values |= changes
        if self.image is not None:
            # An engine may carry output and error output on two ways.
            values["argv"] = changes.get("argv", ("/bin/sh", "-c", f"exec 2>&1; {script}"))
            values["mounts"] = (*values["mounts"], *MACHINE_MOUNTS)
        return Container(**values)

    def start(self, script, **changes):
        container = self.container(script, **changes)
        reader, writer = os.pipe()
        try:
            process = self.sandbox.launch(container, writer, writer)
        except BaseException:
            os.close(reader)
            raise
        finally:
            os.close(writer)
        launched = Launched(process, reader)
        self.launched.append(launched)
        return launched

    def run(self, script, **changes):
        """Run to the end; return exit code and output."""
        launched = self.start(script, **changes)
        said = launched.read_until()
        return launched.wait(), said


@pytest.fixture(params=SANDBOXES)
def sandbox(request):
    probe = request.param.probe()
    if not probe.available:
        pytest.skip(f"{request.param.name}: {probe.reason}")
    return request.param


@pytest.fixture(scope="session")
def image_of():
    """An image of an engine, with this machine's programs."""
    made = {}
    with ExitStack() as stack:

        def image(name):
            if name not in made:
                engine = next(engine for engine in ENGINES if engine.name == name)
                reference = stack.enter_context(machine_image(engine.name))
                made[name] = EngineImage(name, engine.image(reference).id, engine.calling())
            return made[name]

        yield image


@pytest.fixture
def bench(sandbox, tmp_path, image_of):
    bench = Bench(sandbox, tmp_path, image_of(sandbox.name) if sandbox in ENGINE_BACKENDS else None)
    yield bench
    for launched in bench.launched:
        launched.process.kill()
        with suppress(LaunchError):
            launched.process.wait()
        launched.process.release()
        os.close(launched.pipe)


@pytest.fixture
def private(bench):
    """A bench whose containers have a file system of their own."""
    if not bench.sandbox.private:
        pytest.skip("has no file system of its own, and says so")
    return bench
