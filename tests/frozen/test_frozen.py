"""The data directory of every earlier release opens, and says what it said."""

import json

import pytest
from tests.frozen.opening import FOLDER, archive_of, description_of, opened_at, unpack
from tests.frozen.releases import RELEASES, describe_everything


def test_every_release_is_frozen():
    assert sorted(FOLDER.glob("state-*.tar.gz")) == sorted(map(archive_of, RELEASES))


@pytest.mark.parametrize("version", RELEASES)
def test_a_data_directory_of_an_earlier_release_opens(version, tmp_path):
    frozen_at = unpack(version, tmp_path)
    expected = json.loads(description_of(version).read_text())
    with opened_at(tmp_path, frozen_at) as opened:
        assert describe_everything(opened, version) == expected
