"""A data directory, copied while its server works, says the same after a restore."""

import json
import shutil
import sqlite3
import threading

import pytest
from tests.frozen.opening import opened_at, unpack
from tests.frozen.release_0_2_0 import KEPT
from tests.frozen.releases import NEWEST, describe_everything
from tests.served import ServedApplication

from wildsage.core.clock import SystemClock
from wildsage.store import backup as module
from wildsage.store.backup import back_up, restore
from wildsage.store.bundles import BundleError
from wildsage.store.layout import Layout


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("state.tar", marks=pytest.mark.crashes),
        pytest.param("folder", marks=pytest.mark.faults),
    ],
)
def test_every_describe_is_identical_after_backup_and_restore(tmp_path, name):
    frozen_at = unpack(NEWEST, tmp_path / "old")
    with opened_at(tmp_path / "old", frozen_at) as old:
        before = describe_everything(old, NEWEST)
        keys = old.layout.credentials.read_text()
        summary = back_up(old.layout, tmp_path / name, SystemClock())
        assert summary.objects > 0
        assert summary.damaged == []
        assert not [path for path in old.layout.root.iterdir() if path.name.startswith(".")]
    assert (tmp_path / name).stat().st_mode & 0o077 == 0
    restore(tmp_path / name, tmp_path / "new" / "data")
    with opened_at(tmp_path / "new", frozen_at) as new:
        assert describe_everything(new, NEWEST) == {**before, KEPT: []}
        assert new.layout.credentials.read_text() == keys  # clients that were set up go on


def test_a_backup_while_clients_write_and_delete_is_of_one_moment(tmp_path):
    """Each object says which ones were there when it was written: all of them are in the backup, whole."""
    with ServedApplication(tmp_path / "old") as server:
        s3 = server.client("s3")
        s3.create_bucket(Bucket="bucket", CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
        over = threading.Event()
        numbers = []

        def write():
            while not over.is_set():
                number = len(numbers)
                s3.put_object(Bucket="bucket", Key=f"{number:05}", Body=f"{number}" * 1000)
                numbers.append(number)
                if number >= 10:
                    s3.delete_object(Bucket="bucket", Key=f"{number - 10:05}")

        thread = threading.Thread(target=write)
        thread.start()
        try:
            while len(numbers) < 15:
                pass
            for turn in range(2):
                back_up(server.layout, tmp_path / f"{turn}.tar", SystemClock())
        finally:
            over.set()
            thread.join()
    for turn in range(2):
        restore(tmp_path / f"{turn}.tar", tmp_path / f"new{turn}" / "data")
        layout = Layout(tmp_path / f"new{turn}" / "data")
        connection = sqlite3.connect(layout.state_database)
        rows = connection.execute(
            "SELECT key, blob FROM object JOIN piece ON piece.content = object.content ORDER BY key"
        ).fetchall()
        connection.close()
        keys = [int(key) for key, _ in rows]
        assert len(keys) in (10, 11)
        assert keys == list(range(keys[0], keys[-1] + 1))
        for key, blob in rows:
            assert layout.content(blob).read_text() == f"{int(key)}" * 1000


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    with ServedApplication(tmp_path_factory.mktemp("made")) as server:
        s3 = server.client("s3")
        s3.create_bucket(Bucket="bucket", CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
        s3.put_object(Bucket="bucket", Key="k", Body=b"content")
        return server.layout.root


@pytest.fixture
def layout(made, tmp_path):
    return Layout(shutil.copytree(made, tmp_path / "old"))


def content(layout):
    return next(path for path in layout.objects.glob("??/*"))


def test_it_overwrites_nothing(layout, tmp_path):
    (tmp_path / "there.tar").write_text("mine")
    with pytest.raises(BundleError, match="exists, and a backup overwrites nothing"):
        back_up(layout, tmp_path / "there.tar", SystemClock())
    assert (tmp_path / "there.tar").read_text() == "mine"
    with pytest.raises(BundleError, match="inside of what is to be backed up"):
        back_up(layout, layout.root / "x.tar", SystemClock())
    back_up(layout, tmp_path / "x.tar", SystemClock())
    with pytest.raises(BundleError, match="is not empty"):
        restore(tmp_path / "x.tar", layout.root)


def test_what_the_disk_lost_before_is_told(layout, tmp_path):
    content(layout).write_bytes(b"CONTENT")
    assert back_up(layout, tmp_path / "x.tar", SystemClock()).damaged == [
        "s3://bucket/k: its content does not have the MD5 9a0364b9e99bb480dd25e1f0284c8555"
    ]
    content(layout).write_bytes(b"short")
    assert "has 5 bytes instead of 7" in back_up(layout, tmp_path / "y.tar", SystemClock()).damaged[0]
    content(layout).unlink()
    assert "missing" in back_up(layout, tmp_path / "z.tar", SystemClock()).damaged[0]


def test_a_backup_that_cannot_be_read_back_is_none(layout, tmp_path, monkeypatch):
    def lose(*_):
        raise BundleError("x is damaged")

    monkeypatch.setattr(module, "transfer", lose)
    with pytest.raises(BundleError):
        back_up(layout, tmp_path / "x", SystemClock())
    assert [path.name for path in tmp_path.iterdir()] == ["old"]


def test_a_damaged_backup_leaves_nothing_behind(layout, tmp_path):
    back_up(layout, tmp_path / "x", SystemClock())
    path = next((tmp_path / "x" / "objects").glob("??/*"))
    path.write_bytes(b"CONTENT")
    with pytest.raises(BundleError, match="is damaged"):
        restore(tmp_path / "x", tmp_path / "new")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["old", "x"]


def test_a_backup_of_a_newer_wildsage_is_refused_with_both_versions(layout, tmp_path):
    back_up(layout, tmp_path / "x", SystemClock())
    manifest = tmp_path / "x" / "manifest.json"
    manifest.write_text(
        json.dumps(json.loads(manifest.read_text()) | {"version": "9.9", "schemas": {"state": 999}})
    )
    with pytest.raises(BundleError, match=r"made by Wildsage 9\.9, this is .* schema is 999"):
        restore(tmp_path / "x", tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_where_there_is_nothing_it_says_so(tmp_path):
    with pytest.raises(BundleError, match="holds no state"):
        back_up(Layout(tmp_path / "absent"), tmp_path / "x.tar", SystemClock())
    with pytest.raises(BundleError, match="there is no backup"):
        restore(tmp_path / "x.tar", tmp_path / "new")
