"""Requests of TensorFlow Serving's REST API, with a double of TensorFlow; the acceptance tests have the real one."""

import json
import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

from wildsage.toolkit.script_mode.errors import ClientError
from wildsage.toolkit.script_mode.tensorflow import TensorFlowHandlers


class Tensor:
    def __init__(self, value):
        self._value = np.asarray(value)

    def numpy(self):
        return self._value


class Signature:
    """Adds up its inputs, and says of how many rows they were."""

    def __init__(self, *names):
        self.structured_input_signature = ((), {name: SimpleNamespace(dtype="float32") for name in names})

    def __call__(self, **tensors):
        total = sum(tensors.values())
        outputs = {"sum": Tensor(total.sum(axis=1))}
        return outputs if len(tensors) == 1 else {**outputs, "word": Tensor([b"w"] * len(total))}


@pytest.fixture
def served(tmp_path, monkeypatch):
    """Return a function that loads a model with some inputs, behind a script."""
    loaded = []

    def make(*names, **script):
        tensorflow = ModuleType("tensorflow")
        tensorflow.constant = np.asarray
        signatures = {"serving_default": Signature(*names)} if names else {}

        def load(folder):
            loaded.append(folder)
            return SimpleNamespace(signatures=signatures)

        tensorflow.saved_model = SimpleNamespace(load=load)
        monkeypatch.setitem(sys.modules, "tensorflow", tensorflow)
        module = ModuleType("inference")
        vars(module).update(script)
        handlers = TensorFlowHandlers(module)
        for version in ("2", "10"):
            (tmp_path / "export" / version).mkdir(parents=True)
            (tmp_path / "export" / version / "saved_model.pb").touch()
        handlers.load(tmp_path)
        assert loaded == [str(tmp_path / "export" / "10")]
        return handlers

    return make


def ask(handlers, body, content_type="application/json"):
    answer = handlers.answer(body.encode(), content_type, "application/json")
    return answer.status, json.loads(answer.body) if answer.status == 200 else answer.body.decode()


@pytest.mark.parametrize(
    ("body", "content_type", "said"),
    [
        ('{"instances": [[1, 2], [3, 4]]}', "application/json", {"predictions": [3.0, 7.0]}),
        ('{"instances": [{"x": [1, 2]}]}', "application/json", {"predictions": [3.0]}),
        ('{"inputs": [[1, 2]]}', "application/json", {"outputs": [3.0]}),
        ('{"inputs": {"x": [[1, 2]]}}', "application/json", {"outputs": [3.0]}),
        ("[[1, 2]]", "application/json", {"predictions": [3.0]}),
        ("[1, 2]", "application/json", {"predictions": [3.0]}),
        ("1,2\n3,4\n", "text/csv", {"predictions": [3.0, 7.0]}),
        ("[1, 2]\n[3, 4]\n", "application/jsonlines", {"predictions": [3.0, 7.0]}),
    ],
)
def test_forms_of_requests(served, body, content_type, said):
    assert ask(served("x"), body, content_type) == (200, said)


def test_several_inputs_and_outputs(served):
    body = '{"instances": [{"a": [1], "b": [2]}, {"a": [3], "b": [4]}]}'
    rows = [{"sum": 3.0, "word": "w"}, {"sum": 7.0, "word": "w"}]
    assert ask(served("a", "b"), body) == (200, {"predictions": rows})


def test_other_types_are_refused(served):
    assert ask(served("x"), "", "image/png")[0] == 415


def test_a_script_changes_both_ends(served):
    def input_handler(data, context):
        assert (context.model_name, context.model_version) == ("export", "10")
        return json.dumps({"instances": [json.loads(data.read())["row"]]})

    def output_handler(response, context):
        return json.dumps(response.json()["predictions"]), context.accept_header

    handlers = served("x", input_handler=input_handler, output_handler=output_handler)
    assert ask(handlers, '{"row": [5, 6]}') == (200, [11.0])


def test_what_cannot_be_served_is_said(served, tmp_path):
    with pytest.raises(ClientError, match="calls TensorFlow Serving itself"):
        TensorFlowHandlers(SimpleNamespace(handler=print))
    with pytest.raises(ClientError, match="no SavedModel in"):
        TensorFlowHandlers(ModuleType("inference")).load(tmp_path)
    with pytest.raises(ClientError, match="no signature 'serving_default'"):
        served()
