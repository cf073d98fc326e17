"""Reset empties, uninstall leaves nothing: found by walking the home directory and /proc."""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import boto3
import pytest

from wildsage.cli.main import main
from wildsage.images.registered import RegisteredImages
from wildsage.store.installed import Installed
from wildsage.store.layout import Layout
from wildsage.upkeep.machine import inventory, uninstall

CONTAINER = Path(__file__).parents[1] / "faults" / "container.py"
ROLE = "arn:aws:iam::123456789012:role/service-role/AmazonSageMaker-ExecutionRole"


class Home:
    """A user's home with a running server, proxy and job."""

    def __init__(self, root):
        self.root = root
        for name in ("home", "tmp"):
            (root / name).mkdir()
        left_out = ("XDG_", "AWS_", "WILDSAGE_")
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(left_out)}
        self.environment = {**inherited, "HOME": str(root / "home"), "TMPDIR": str(root / "tmp")}
        self.layout = Layout(root / "home" / ".local" / "share" / "wildsage")

    def run(self, *words, code=0):
        done = subprocess.run(
            [sys.executable, "-m", "wildsage", *words],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    def begin(self):
        """Start a server, the proxy and a job that holds."""
        self.run("up", "-d", "--port", "0", "--region", "us-west-2")
        self.run("env")
        image = RegisteredImages(self.layout.images)
        script = shutil.copy(CONTAINER, self.root)  # where its processes are known by their words
        image.add_command("held:1", [sys.executable, "-S", "-u", script])
        keys = json.loads(self.layout.credentials.read_text())
        url = json.loads(self.layout.server.read_text())["url"]
        session = boto3.Session(keys["access_key_id"], keys["secret_access_key"], region_name="us-west-2")
        session.client("s3", endpoint_url=url).create_bucket(
            Bucket="out", CreateBucketConfiguration={"LocationConstraint": "us-west-2"}
        )
        session.client("sagemaker", endpoint_url=url).create_training_job(
            TrainingJobName="held",
            AlgorithmSpecification={"TrainingImage": "held:1", "TrainingInputMode": "File"},
            RoleArn=ROLE,
            OutputDataConfig={"S3OutputPath": "s3://out"},
            ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
            StoppingCondition={"MaxRuntimeInSeconds": 600},
            Environment={"HOLD": "1"},
        )
        deadline = time.monotonic() + 20
        while not any("container.py" in line for line in self.processes()):
            assert time.monotonic() < deadline
        return session, url

    def processes(self):
        """Every process of this machine that has to do with the home: in its words, environment or folder."""
        marker = os.fsencode(self.root)
        found = []
        for process in Path("/proc").iterdir():
            if process.name.isdigit() and int(process.name) != os.getpid():
                try:
                    words = (process / "cmdline").read_bytes()
                    told = (
                        words + (process / "environ").read_bytes() + os.fsencode((process / "cwd").readlink())
                    )
                except OSError:
                    continue
                if marker in told:
                    found.append(f"{process.name} {words.decode(errors='replace')}")
        return found

    def files(self):
        return [
            str(path)
            for name in ("home", "tmp")
            for path in (self.root / name).rglob("*")
            if not path.is_dir()
        ]

    def end(self):
        for line in self.processes():
            try:
                os.kill(int(line.split()[0]), 9)
            except ProcessLookupError:
                continue


@pytest.fixture
def home(tmp_path):
    made = Home(tmp_path)
    yield made
    made.end()


def test_uninstall_lists_everything_and_leaves_nothing(home):
    home.begin()
    kernel = home.root / "home" / ".local" / "share" / "jupyter" / "kernels" / "wildsage"
    kernel.mkdir(parents=True)
    (kernel / "kernel.json").write_text("{}")
    Installed(home.layout).add(kernel, "Jupyter kernel")
    (home.root / "home" / ".cache" / "wildsage" / "environments" / "x").mkdir(parents=True)
    killed = Layout(home.root / "tmp" / "wildsage-abcd")
    killed.make()
    killed.lock.touch()
    os.utime(killed.lock, (0, 0))
    before = home.processes()
    listed = home.run("uninstall")
    for line in before:
        pid, _, words = line.partition(" ")
        if "/bin/sh" not in words:
            assert pid in listed, (line, listed)
    for part in ("state.db", "credentials.json", "Jupyter kernel", "the data directory", "the cache", "the server",
                 "the proxy", "supervisor", "its container", "ephemeral server that was killed"):  # fmt: skip
        assert part in listed
    assert "wildsage up --data-dir" in listed
    assert "Nothing was changed" in listed
    assert {line.split()[0] for line in before} <= {line.split()[0] for line in home.processes()}
    assert "All of it is gone" in home.run("uninstall", "--yes")
    assert home.processes() == []
    assert home.files() == []
    assert not home.layout.root.exists()
    assert not kernel.exists()
    assert "Nothing of Wildsage is here" in home.run("uninstall")


def test_uninstall_names_the_servers_of_other_data_directories(home):
    other = home.root / "other"
    home.run("up", "-d", "--port", "0", "--data-dir", str(other))
    try:
        assert f"wildsage uninstall --data-dir {other}" in home.run("uninstall", "--yes")
        own = home.run("uninstall", "--data-dir", str(other))
        assert "the server" in own
        assert f"wildsage uninstall --data-dir {other}" not in own
        assert home.run("status", "--data-dir", str(other)).startswith("server ")
    finally:
        home.run("down", "--data-dir", str(other))


@pytest.mark.faults
def test_reset_empties_the_state_and_keeps_the_installation(home):
    session, _ = home.begin()
    keys = home.layout.credentials.read_text()
    settings = json.loads(home.layout.settings.read_text())
    assert "say --yes" in home.run("reset", code=1)
    assert len(home.processes()) > 1
    home.run("reset", "--yes")
    assert home.processes() == []
    assert not home.layout.state_database.exists()
    assert list(home.layout.runs.iterdir()) == []
    home.run("up", "-d")
    url = json.loads(home.layout.server.read_text())["url"]
    assert home.layout.credentials.read_text() == keys
    assert json.loads(home.layout.settings.read_text()) == settings
    assert session.client("s3", endpoint_url=url).list_buckets()["Buckets"] == []
    assert session.client("sagemaker", endpoint_url=url).list_training_jobs()["TrainingJobSummaries"] == []
    assert "held:1" in home.run("images", "ls")


def test_what_is_not_ours_is_left_in_place_and_named(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("tempfile.tempdir", None)
    layout = Layout(tmp_path / "data")
    layout.make()
    for name in ("thesis.txt", "state.db", "state.db-wal", ".settings.json.123", "server.log.1"):
        (layout.root / name).write_text("x")
    assert str(layout.root / "thesis.txt") not in [
        thing.name for thing in inventory(layout, tmp_path / "cache")
    ]
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("builtins.input", lambda _question: "n")
    assert main(["uninstall", "--data-dir", str(layout.root)]) == 1
    assert "nothing was changed" in capsys.readouterr().err
    assert main(["uninstall", "--yes", "--data-dir", str(layout.root)]) == 0
    assert f"Wildsage did not put it there: {layout.root / 'thesis.txt'}" in capsys.readouterr().out
    assert [path.name for path in layout.root.iterdir()] == ["thesis.txt"]
    (layout.root / "thesis.txt").unlink()
    assert uninstall(layout, tmp_path / "cache") == []
    assert not layout.root.exists()


def test_reset_of_nothing_says_so(tmp_path, capsys):
    assert main(["reset", "--yes", "--data-dir", str(tmp_path)]) == 0
    assert f"{tmp_path} holds no state: there was nothing to remove." in capsys.readouterr().out
    assert main(["reset", "--yes", "--data-dir", str(tmp_path / "other")]) == 1
    assert f"there is no {tmp_path / 'other'}: say with --data-dir" in capsys.readouterr().err


def test_du_shows_what_takes_the_space(tmp_path, capsys, monkeypatch):
    import asyncio

    from wildsage.core.clock import SystemClock
    from wildsage.store.buckets import Buckets
    from wildsage.store.database import Database
    from wildsage.store.objects import Objects

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    layout = Layout(tmp_path / "data")
    layout.make()
    state = Database(layout.state_database, "state")
    buckets = Buckets(state, Objects(layout.objects), SystemClock())

    async def fill():
        await buckets.create_bucket("full", "1", "us-west-2")
        await buckets.create_bucket("empty", "1", "us-west-2")
        await buckets.put_bytes("full", "key", b"x" * 100_000)

    asyncio.run(fill())
    words = ["du", "--data-dir", str(layout.root)]
    assert main([*words, "--json"]) == 0  # beside a server that has the database open
    said = json.loads(capsys.readouterr().out)
    items = {item["what"]: item for item in said["items"]}
    assert items["objects/s3://full"]["size"] == 100_000
    assert items["objects/s3://full"]["count"] == 1
    assert items["objects/s3://empty"]["count"] == 0
    assert 100_000 <= items["objects"]["size"] < 200_000
    assert items["state.db"]["size"] > 0
    assert said["total"] == sum(item["size"] for what, item in items.items() if "/" not in what)
    assert said["free"] > 0
    assert main(words) == 0
    assert "  s3://full  97.7 KiB" in capsys.readouterr().out
    state.close()
    assert main(["du", "--data-dir", str(tmp_path / "absent")]) == 1
