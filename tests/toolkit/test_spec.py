import subprocess
import sys

import pytest

from wildsage.algorithms.registry import MODULES, REPOSITORIES, load_spec
from wildsage.toolkit.errors import UserError
from wildsage.toolkit.spec import Channel


@pytest.fixture
def spec():
    return load_spec("kmeans")


def test_channels_are_checked_by_name_and_media_type(spec):
    spec.validate_channels({"train": None, "test": "Text/CSV;label_size=0"})
    with pytest.raises(UserError) as caught:
        spec.validate_channels({"training": None, "test": "text/libsvm"})
    text = str(caught.value)
    assert "Additional channels are not allowed ('training' unexpected)" in text
    assert "'train' is a required channel" in text
    assert (
        "content type 'text/libsvm' of channel 'test' is not one of 'application/x-recordio-protobuf'" in text
    )


@pytest.mark.parametrize(
    ("content_type", "rule"),
    [
        ("text/csv;label_size=2", "label_size must be 0 or 1"),
        ("csv;label_size=x", "label_size='x' is not a whole number from 0"),
        ("text/csv;label_size", "'label_size' in content type"),
        ("text/csv;charset=klingon", "the charset 'klingon' is unknown"),
        ("text/csv;charset=base64", "the charset 'base64' is unknown"),
    ],
)
def test_parameters_of_a_content_type_are_checked(content_type, rule):
    channel = Channel(name="train", content_types=("text/csv", "csv"), label_sizes=(0, 1))
    said = channel.refusal(content_type)
    assert said.startswith(f"The content type '{content_type}' of channel 'train' is not supported: {rule}")


def test_a_channel_that_says_nothing_of_labels_takes_any_count():
    channel = Channel(name="train", content_types=("text/csv",))
    for good in ("text/csv", "Text/CSV; label_size=7", "text/csv;charset=UTF-16;colour=red"):
        assert channel.refusal(good) is None


def test_metric_definitions_have_the_shape_of_describe(spec):
    assert {"Name": "test:msd", "Regex": r"#quality_metric: host=\S+, test msd <loss>=(\S+)"} in (
        spec.metric_definitions()
    )


@pytest.mark.parametrize(
    ("name", "values", "channels", "rule"),
    [
        ("kmeans", {}, ["train"], None),
        ("kmeans", {"_tuning_objective_metric": ""}, ["train"], None),
        ("kmeans", {"_tuning_objective_metric": "test:msd"}, ["train", "test"], None),
        ("kmeans", {"_tuning_objective_metric": "test:msd"}, ["train"], "Add the channel 'test', or choose"),
        ("kmeans", {"_tuning_objective_metric": "train:msd"}, ["train"], "following: 'test:msd', 'test:ssd'"),
        (
            "knn",
            {"_tuning_objective_metric": "test:mse", "predictor_type": "classifier"},
            ["train", "test"],
            "one of the following with predictor_type 'classifier': 'test:accuracy'",
        ),
        (
            "xgboost",
            {"_tuning_objective_metric": "validation:rmse"},
            ["train"],
            "Add the channel 'validation'",
        ),
        ("xgboost", {"_tuning_objective_metric": "validation:rmse", "_kfold": 3}, ["train"], None),
    ],
)
def test_the_objective_of_a_tuning_job_is_one_that_the_job_reports(name, values, channels, rule):
    spec = load_spec(name)
    if rule is None:
        spec.validate_objective(values, channels)
        return
    with pytest.raises(UserError) as caught:
        spec.validate_objective(values, channels)
    metric = values["_tuning_objective_metric"]
    assert str(caught.value).startswith(
        f"The value '{metric}' is not valid for the '_tuning_objective_metric' hyperparameter"
    )
    assert rule in str(caught.value)


def test_what_a_job_gives_for_nothing_is_known():
    spec = load_spec("linear-learner")
    given = {
        "predictor_type": "regressor",
        "margin": "2",
        "quantile": "0.9",
        "lr_scheduler_step": "5",
        "epochs": "2",
    }
    assert spec.without_effect(spec.validate(given), given) == ["margin", "quantile"]
    given |= {"loss": "quantile_loss", "use_lr_scheduler": "False"}
    assert spec.without_effect(spec.validate(given), given) == ["margin", "lr_scheduler_step"]
    knn = load_spec("knn")
    assert knn.without_effect({}, ["dimension_reduction_target"]) == ["dimension_reduction_target"]
    assert knn.without_effect({"dimension_reduction_type": "sign"}, ["dimension_reduction_target"]) == []


def test_every_repository_leads_to_a_declaration():
    declared = {image.repository: name for name in MODULES for image in load_spec(name).images}
    assert declared == REPOSITORIES
    assert {load_spec(name).name for name in MODULES} == set(MODULES)


def test_declarations_are_light():
    code = (
        "import sys\n"
        "from wildsage.algorithms.registry import MODULES, load_spec\n"
        "for name in MODULES: load_spec(name)\n"
        "print([m for m in ('numpy', 'xgboost', 'asyncio', 'httptools') if m in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_channel_may_say_how_it_is_distributed():
    spec = load_spec("randomcutforest")
    spec.validate_distributions({"train": "ShardedByS3Key", "test": "FullyReplicated"})
    spec.validate_distributions({"train": "ShardedByS3Key"})
    with pytest.raises(
        UserError,
        match=r"of channel 'train' is 'FullyReplicated'; .* 'ShardedByS3Key' only, from S3 \(a file",
    ):
        spec.validate_distributions({"train": "FullyReplicated"})
    with pytest.raises(UserError, match=r"reads it with 'FullyReplicated' only$"):
        spec.validate_distributions({"test": "ShardedByS3Key"})
    load_spec("kmeans").validate_distributions({"train": "ShardedByS3Key"})
