"""Model files of other versions: what can be said of them, and what it takes to read them.

The files were made by the versions that their names have: two rounds of stumps on one feature.
"""

import shutil
from pathlib import Path

import pytest
import xgboost

from wildsage.algorithms.xgboost import library, pickles
from wildsage.algorithms.xgboost.library import Facts
from wildsage.algorithms.xgboost.model import load_models
from wildsage.toolkit.errors import UserError

DATA = Path(__file__).parent / "data"
FACTS = Facts("binary:logistic", 0, 1)
PICKLED = ("xgboost-0.90.pickle", "xgboost-1.2.pickle")


def state_of(name):
    return pickles.find(pickles.read((DATA / name).read_bytes()), "xgboost.core.Booster").state


@pytest.mark.parametrize("name", PICKLED)
def test_pickles_of_old_containers_are_read_to_their_end(name):
    state = state_of(name)
    assert state["best_ntree_limit"] == 2
    assert library.describe_legacy(pickles.as_bytes(state["handle"])) == FACTS


def test_the_head_of_the_binary_format():
    data = (DATA / "xgboost-1.7.binary").read_bytes()
    assert library.describe_legacy(data) == FACTS
    for wrong in (b"", data[:140], b"{" + data, bytes(len(data))):
        with pytest.raises(ValueError, match=r"head of a model|there is no name"):
            library.describe_legacy(wrong)


@pytest.mark.skipif(library.VERSION < (3, 1), reason="this version reads the format")
@pytest.mark.parametrize("name", [*PICKLED, "xgboost-1.7.binary"])
def test_a_model_that_this_version_cannot_read_says_what_can(tmp_path, name):
    shutil.copy(DATA / name, tmp_path / "xgboost-model")
    with pytest.raises(UserError, match="host it with the image tag that it was trained with") as refused:
        load_models(tmp_path)
    assert "binary:logistic, 1 features" in str(refused.value)
    assert f"XGBoost {xgboost.__version__} says: " in str(refused.value)
