"""The data directory of every earlier release opens, and says what it said."""

import json
import tarfile
from pathlib import Path

import pytest
from tests.frozen.describe import FOLDER, clients, describe_everything
from tests.served import ServedApplication

ARCHIVES = sorted(FOLDER.glob("state-*.tar.gz"))


def test_there_is_a_frozen_directory():
    assert ARCHIVES


@pytest.mark.parametrize("archive", ARCHIVES, ids=lambda path: path.name)
def test_a_data_directory_of_an_earlier_release_opens(archive, tmp_path):
    with tarfile.open(archive) as tar:
        tar.extractall(tmp_path / "data", filter="data")
    expected = json.loads(Path(str(archive).replace(".tar.gz", ".json")).read_text())
    with ServedApplication(tmp_path) as server:
        assert describe_everything(clients(server.url, tmp_path / "data")) == expected
