import numpy as np
import pytest
from botocore.exceptions import ClientError
from diagnosis.service import is_benign


def test_verdicts_are_right(endpoint, patients):
    _, measurements, _, labels = patients
    verdicts = is_benign(measurements, endpoint)
    assert np.mean(np.array(verdicts) == labels) > 0.93


def test_one_patient(endpoint, patients):
    _, measurements, _, labels = patients
    assert is_benign(measurements[:1], endpoint) == [bool(labels[0])]


def test_measurements_that_are_missing_are_an_error(endpoint):
    with pytest.raises(ClientError, match="ModelError"):
        is_benign([[1.0, 2.0]], endpoint)
