import pytest
from tests.tuning.lab import Lab


@pytest.fixture
def lab(state, telemetry, tmp_path):
    return Lab(state, telemetry, tmp_path)
