import pytest

from wildsage.toolkit.errors import UserError
from wildsage.toolkit.model_files import find_model_file


def test_the_first_hosts_file_is_taken(tmp_path):
    for name in ("model_algo-2", "model_algo-1", "model_algo-1.labels", "state"):
        (tmp_path / name).touch()
    assert find_model_file(tmp_path, "").name == "model_algo-1"
    (tmp_path / "model_algo-1").unlink()
    assert find_model_file(tmp_path, "").name == "model_algo-2"


def test_a_model_without_one_is_described(tmp_path):
    with pytest.raises(UserError, match="the model holds nothing; it needs a file"):
        find_model_file(tmp_path, "it needs a file")
    (tmp_path / "xgboost-model").touch()
    with pytest.raises(UserError, match="the model holds xgboost-model; it needs"):
        find_model_file(tmp_path, "it needs a file")
