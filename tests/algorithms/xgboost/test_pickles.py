"""Pickles of models are read; what a pickle would execute is not."""

import os
import pickle
import pickletools

import numpy as np
import pytest
import xgboost
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.algorithms.xgboost.support import MODULE, csv, invoke

from wildsage.algorithms.xgboost import pickles
from wildsage.algorithms.xgboost.model import load_models
from wildsage.toolkit.errors import UserError
from wildsage.toolkit.local import LocalContainer

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner, inner),
    max_leaves=12,
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(VALUES, st.sampled_from([3, 4, 5]))
def test_values_are_what_pickle_reads(value, protocol):
    assert pickles.read(pickle.dumps(value, protocol)) == value


@pytest.mark.parametrize("protocol", range(6))
def test_bytes_of_every_protocol(protocol):
    state = pickles.read(
        pickle.dumps({"handle": bytearray(range(256)), "again": "handle", "n": (1, [2.5])}, protocol)
    )
    assert pickles.as_bytes(state["handle"]) == bytes(range(256))
    assert (state["again"], state["n"]) == ("handle", (1, [2.5]))


@pytest.fixture(scope="module")
def trained():
    x = np.random.default_rng(0).normal(size=(60, 3)).astype(np.float32)
    return x, xgboost.train({"max_depth": 2}, xgboost.DMatrix(x, x[:, 0] * 2), 5)


@pytest.fixture
def container(tmp_path):
    found = LocalContainer(MODULE, tmp_path)
    found.paths.model.mkdir(parents=True)
    return found


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_a_pickled_booster_is_read(container, trained, protocol):
    x, model = trained
    (container.paths.model / "xgboost-model").write_bytes(pickle.dumps(model, protocol))
    expected = model.predict(xgboost.DMatrix(x))
    assert np.array_equal(np.array(invoke(container, csv(x)).split(b","), np.float32), expected)
    # Models of old containers, which count from 1, are asked for one column less.
    narrow = model.predict(xgboost.DMatrix(np.column_stack([x[:, :2], np.full(len(x), np.nan)])))
    assert np.array_equal(np.array(invoke(container, csv(x[:, :2])).split(b","), np.float32), narrow)


def test_a_booster_inside_of_another_object_is_found(container, trained):
    x, model = trained
    outer = xgboost.XGBRegressor()
    outer._Booster = model
    (container.paths.model / "xgboost-model").write_bytes(pickle.dumps(outer))
    expected = model.predict(xgboost.DMatrix(x))
    assert np.array_equal(np.array(invoke(container, csv(x)).split(b","), np.float32), expected)


class Malicious:
    def __init__(self, folder):
        self.folder = folder

    def __reduce__(self):
        return os.mkdir, (self.folder,)


def test_nothing_is_executed(container, tmp_path):
    proof = tmp_path / "executed"
    data = pickle.dumps({"handle": Malicious(str(proof)), "more": [Malicious(str(proof))]})
    with pytest.raises(FileExistsError):
        pickle.loads(data)  # it makes the folder, twice
    proof.rmdir()
    (container.paths.model / "xgboost-model").write_bytes(data)
    with pytest.raises(UserError, match="it was not executed"):
        load_models(container.paths.model)
    found = pickles.read(data)["handle"]
    assert (found.name, found.arguments) == ("posix.mkdir", (str(proof),))
    assert not proof.exists()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x80\x04garbage",
        b"\x80\x04.",
        b"\x80\x04N",
        b"\x80\x04K\x01s.",
        b"\x80\x04h\x07.",
        b"\x80\x04U\xffab",
        b"Pperson\n.",
    ],
)
def test_malformed_pickles_are_refused(data):
    with pytest.raises(pickles.PickleError):
        pickles.read(data)


@given(st.binary(max_size=60))
def test_no_bytes_do_anything_else(data):
    try:
        pickles.read(b"\x80\x04" + data)
    except pickles.PickleError:
        return
    assert list(pickletools.genops(b"\x80\x04" + data))
