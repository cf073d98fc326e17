"""The suite finds what is wrong: each of its newer checks fails on an algorithm that breaks the rule."""

import json
from dataclasses import replace
from subprocess import CompletedProcess

import numpy as np
import pytest

from wildsage.toolkit.conformance import AlgorithmConformance
from wildsage.toolkit.conformance.declaration import estimator_of, refused_values
from wildsage.toolkit.conformance.hosts import distance, grouped_alike
from wildsage.toolkit.conformance.samples import dense_bodies, read_numbers, sample_channels, sparse_bodies
from wildsage.toolkit.hyperparameters import (
    Boolean,
    Categorical,
    ChoiceList,
    Continuous,
    HyperparameterError,
    Integer,
    IntegerTuple,
    Text,
    Tunable,
)
from wildsage.toolkit.local import Answer, LocalContainer
from wildsage.toolkit.resolve import load_spec
from wildsage.toolkit.spec import Channel, Metric

MODULE = "wildsage.algorithms.kmeans"
SPEC = load_spec(MODULE)


class Suite(AlgorithmConformance):
    module = MODULE


class Endpoint:
    """Answers every request alike."""

    def __init__(self, body):
        self.body = body

    def invoke(self, body, content_type, accept=""):
        del body, content_type
        return Answer(200, {"content-type": accept}, self.body)


@pytest.fixture
def trained(tmp_path):
    container = LocalContainer(MODULE, tmp_path)
    container.prepare(SPEC.sample.hyperparameters, sample_channels(SPEC))
    code, log = container.train_here()
    assert code == 0, log
    return container, log


def test_a_metric_that_no_line_shows(trained, tmp_path):
    Suite().test_the_log_shows_each_metric(SPEC, trained, tmp_path)
    spec = replace(SPEC, metrics=(*SPEC.metrics, Metric("test:colour", r"test colour <loss>=(\S+)")))
    with pytest.raises(AssertionError, match=r"no line shows test:colour.* the log has test msd <loss>"):
        Suite().test_the_log_shows_each_metric(spec, trained, tmp_path)
    lines = (trained[0], trained[1] + "test colour <loss>=nan\n")
    with pytest.raises(AssertionError, match="nan"):
        Suite().test_the_log_shows_each_metric(spec, lines, tmp_path)


def test_a_value_that_a_job_accepts(tmp_path):
    stricter = replace(SPEC, hyperparameters=(Integer(name="epochs", low=1, high=10),))
    with pytest.raises(AssertionError, match="'epochs': '11'"):
        Suite().test_each_bad_hyperparameter_is_a_client_error_that_names_it(stricter, tmp_path)


@pytest.mark.parametrize(
    ("item", "message"),
    [
        (
            Continuous(name="x", low=0, high=1, tunable=Tunable(0, 2)),
            "the tunable range of 'x' is outside of its rule: The value '2'",
        ),
        (Integer(name="x", tunable=Tunable()), r"'x' is a number: give Tunable\(low, high\)"),
    ],
)
def test_a_range_that_training_refuses(item, message):
    with pytest.raises(AssertionError, match=message):
        Suite().test_tunable_ranges_are_within_the_declaration(replace(SPEC, hyperparameters=(item,)))


def test_a_default_that_training_refuses():
    spec = replace(SPEC, hyperparameters=(Integer(name="x", low=1, default=0),))
    with pytest.raises(AssertionError, match="the default of 'x' is outside of its rule: The value '0'"):
        Suite().test_defaults_are_valid(spec)


def test_a_declaration_of_another_package():
    with pytest.raises(AssertionError):
        Suite().test_the_declaration_names_its_package(replace(SPEC, module="kmeans"))


def alone(containers):
    """Train as what does not know of other hosts: each on its own rows, and the first writes."""
    for each in containers:
        host = {"current_host": "algo-1", "hosts": ["algo-1"]}
        (each.paths.config / "resourceconfig.json").write_text(json.dumps(host))
    done = [CompletedProcess([], *each.train_here()) for each in containers]
    (containers[1].paths.model / "model_algo-1").unlink()
    return done


def test_a_host_that_loses_the_rows_of_the_others(trained, tmp_path, monkeypatch):
    monkeypatch.setattr("wildsage.toolkit.conformance.hosts.train_together", alone)
    with pytest.raises(AssertionError, match="of one host"):
        Suite().test_two_hosts_reach_the_quality_of_one(SPEC, trained, tmp_path)


def test_groups_are_compared_by_their_rows():
    one = np.float32([0, 0, 1, 1])
    assert grouped_alike(one, 1 - one) == 1
    assert grouped_alike(one, np.float32([0, 0, 0, 1])) == 0.75
    assert grouped_alike(one, np.zeros(4)) == grouped_alike(np.zeros(4), one) == 0.5
    assert distance(np.float32([1, 3]), np.float32([1, 2])) == 0.25


def test_an_answer_that_is_no_number():
    spec = replace(SPEC, response_types=("application/json",))
    with pytest.raises(AssertionError, match="application/json holds NaN"):
        Suite().test_rows_far_from_the_data_have_finite_answers(spec, Endpoint(b'{"a": [NaN]}'), 1.0)


def test_an_answer_without_identities():
    with pytest.raises(AssertionError):
        Suite().test_records_are_answered_with_their_identity(SPEC, Endpoint(b""))


def test_an_example_of_an_answer_that_is_another():
    body = b'{"predictions": [{"closest_cluster": 1.0}]}'
    with pytest.raises(AssertionError, match=r"declare an example such as answer=\{'closest_cluster': 1.0\}"):
        Suite().test_the_declared_answer_is_like_the_real_one(SPEC, Endpoint(body))


@pytest.mark.parametrize(
    "item",
    [
        Integer(name="x", low=1, high=3),
        Integer(name="x", low=1, automatic=True),
        Continuous(name="x", low=0, high=1, low_open=True, high_open=True),
        Categorical(name="x", choices=("a", "b")),
        Categorical(name="x", choices=("a",)),
        ChoiceList(name="x", choices=("a", "b"), prefixes=("a@",)),
        IntegerTuple(name="x"),
        IntegerTuple(name="x", nested=True),
        Boolean(name="x"),
    ],
)
def test_values_outside_of_a_declaration(item):
    found = list(refused_values(item))
    assert len(found) > 1
    for text in found:
        with pytest.raises(HyperparameterError):
            item.parse(text)


def test_a_free_text_has_no_wrong_value():
    assert list(refused_values(Text(name="x"))) == []


def test_labels_are_where_channels_take_them():
    train = Channel(name="train", required=True, content_types=("text/csv",), label_sizes=(0,))
    test = Channel(name="test", content_types=("text/csv",), label_sizes=(1,))
    records = Channel(name="records", content_types=("application/x-recordio-protobuf",))
    model = Channel(name="model", content_types=("application/x-sagemaker-model",))
    channels = sample_channels(replace(SPEC, channels=(train, test, records, model)))
    assert {name: files.content_type for name, files in channels.items()} == {
        "train": "text/csv;label_size=0",
        "test": "text/csv;label_size=1",
        "records": "application/x-recordio-protobuf",
    }


def test_requests_have_every_form():
    rows = np.float32([[1, 0], [0, 0.5]])
    assert [name for name, _ in dense_bodies(rows)].count("application/json") == 3
    assert b'"keys": [1], "shape": [2], "values": [0.5]' in dict(sparse_bodies(rows))["application/json"]
    assert read_numbers(b'{"scores": [{"a": 1, "b": [2, 3]}]}', "application/json") == [1, 2, 3]
    with pytest.raises(LookupError, match="has no class on arrays"):
        estimator_of("json")
