import json

import pytest

from wildsage.algorithms.knn.reduction import Reduction
from wildsage.algorithms.knn.settings import Settings
from wildsage.toolkit.errors import UserError

WHOLE = Settings(5, "classifier", normalize=True, reduction=Reduction("sign", 3, 20, 10), feature_dim=20)
# As the developer guide shows it.
GUIDE = {
    "k": 5,
    "predictor_type": "classifier",
    "dimension_reduction": {"type": "sign", "seed": 3, "target_dim": 10, "input_dim": 20},
    "normalize": False,
    "version": "1.0",
}


def decode(content):
    return Settings.decode(json.dumps(content), "model.json")


def test_the_layout_is_frozen():
    assert WHOLE.encode() == (
        '{"k": 5, "predictor_type": "classifier", "dimension_reduction": {"type": "sign", "seed": 3, "target_dim": 10, '
        '"input_dim": 20, "generator": "PCG64"}, "normalize": true, "version": "1.0", "feature_dim": 20}'
    )


@pytest.mark.parametrize("settings", [WHOLE, Settings(1, "regressor")])
def test_what_is_written_is_read(settings):
    assert Settings.decode(settings.encode(), "model.json") == settings


@pytest.mark.parametrize("none", [None, {}, {"type": None}, {"type": "none"}])
def test_settings_without_a_reduction(none):
    assert decode(GUIDE | {"dimension_reduction": none}) == Settings(5, "classifier")


def test_a_reduction_of_another_container_cannot_be_repeated():
    with pytest.raises(
        UserError, match=r"dimension_reduction of model.json names no generator.*Train the model again"
    ):
        decode(GUIDE)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"k": 0}, "k in model.json is 0; expected a whole number of at least 1"),
        ({"k": "5"}, "k in model.json is '5'"),
        ({"k": True}, "k in model.json is True"),
        ({"predictor_type": "ranker"}, "is 'ranker'; expected classifier or regressor"),
        ({"normalize": "no"}, "normalize in model.json is 'no'; expected true or false"),
        ({"nprobe": -1}, "nprobe in model.json is -1"),
        ({"feature_dim": 1.5}, "feature_dim in model.json is 1.5"),
        ({"dimension_reduction": {"type": "pca"}}, "type in dimension_reduction of model.json is 'pca'"),
        ({"dimension_reduction": [1]}, "dimension_reduction in model.json is "),
    ],
)
def test_a_wrong_value_is_named(changed, reason):
    with pytest.raises(UserError, match=reason):
        decode(GUIDE | {"dimension_reduction": None} | changed)


@pytest.mark.parametrize(("text", "reason"), [("{", "is not JSON"), ("[]", "holds no JSON object")])
def test_other_texts_are_refused(text, reason):
    with pytest.raises(UserError, match=reason):
        Settings.decode(text, "model.json")
