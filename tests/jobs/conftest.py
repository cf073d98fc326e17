"""What tests of whole jobs need."""

import pytest
from tests.jobs.platform import Platform


@pytest.fixture
def platform(tmp_path, state, telemetry):
    made = Platform(tmp_path, state, telemetry)
    yield made
    for folder in made.run_folders():
        folder.request_stop()
