import json

import pytest

from wildsage.toolkit.environment import TrainingEnvironment
from wildsage.toolkit.errors import PlatformError


def test_the_files_of_the_contract_are_read(tmp_path):
    config = tmp_path / "input" / "config"
    config.mkdir(parents=True)
    (config / "hyperparameters.json").write_text('{"k": "3", "list": [1, 2]}')
    (config / "inputdataconfig.json").write_text(
        json.dumps({"train": {"ContentType": "text/csv", "TrainingInputMode": "Pipe"}, "test": {}})
    )
    (config / "resourceconfig.json").write_text('{"current_host": "algo-2", "hosts": ["algo-1", "algo-2"]}')
    found = TrainingEnvironment.read({"SAGEMAKER_BASE_DIR": str(tmp_path), "TRAINING_JOB_NAME": "job"})
    assert found.hyperparameters == {"k": "3", "list": "[1, 2]"}
    assert (found.channels["train"].content_type, found.channels["train"].mode) == ("text/csv", "Pipe")
    assert (found.channels["test"].content_type, found.channels["test"].mode) == (None, "File")
    assert (found.current_host, found.hosts, found.job_name) == ("algo-2", ("algo-1", "algo-2"), "job")
    assert found.paths.model == tmp_path / "model"


def test_a_folder_without_configuration_means_no_settings(tmp_path):
    found = TrainingEnvironment.read({"SAGEMAKER_BASE_DIR": str(tmp_path)})
    assert (found.hyperparameters, found.channels, found.hosts) == ({}, {}, ("algo-1",))


@pytest.mark.parametrize(("text", "problem"), [("{", "is not JSON"), ("[]", "holds no JSON object")])
def test_what_the_platform_wrote_wrongly_is_its_own_fault(tmp_path, text, problem):
    config = tmp_path / "input" / "config"
    config.mkdir(parents=True)
    (config / "hyperparameters.json").write_text(text)
    with pytest.raises(PlatformError, match=problem):
        TrainingEnvironment.read({"SAGEMAKER_BASE_DIR": str(tmp_path)})
