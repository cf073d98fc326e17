import json

import numpy as np
import pytest

from wildsage.algorithms.factorization_machines.artifact import decode, encode
from wildsage.algorithms.factorization_machines.machine import Machine
from wildsage.formats.ndarray import read_ndarrays, write_ndarrays
from wildsage.formats.zip_files import read_zip, write_zip
from wildsage.toolkit.errors import UserError

WEIGHTS = np.float32([[1, 2, 3], [4, 5, 6], [7, 8, 9], [10, 11, 12]])
MACHINE = Machine(0.5, WEIGHTS)
PARAMETERS = {"feature_dim": 4, "num_factors": 2, "predictor_type": "regressor", "_kvstore": "auto"}


def test_the_layout_is_that_of_aws():
    files = read_zip(encode(MACHINE, PARAMETERS))
    assert list(files) == ["symbol.json", "params", "meta.json"]
    arrays, names = read_ndarrays(files["params"])
    assert {name: array.tolist() for name, array in zip(names, arrays, strict=True)} == {
        "arg:w0_weight": [[0.5]],
        "arg:w1_weight": [[1], [4], [7], [10]],
        "arg:v": [[2, 3], [5, 6], [8, 9], [11, 12]],
    }
    meta = json.loads(files["meta.json"])
    assert meta["training_parameters"] == {
        "feature_dim": 4, "num_factors": 2, "predictor_type": "regressor",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "operator"),
    [("regressor", "LinearRegressionOutput"), ("binary_classifier", "LogisticRegressionOutput")],
)
def test_the_graph_gives_the_scores(kind, operator):
    """Run as MXNet runs it: nodes in their order, each an operator on what came before."""
    graph = json.loads(read_zip(encode(MACHINE, PARAMETERS | {"predictor_type": kind}))["symbol.json"])
    data = np.float32([[1, 0, 2, 0], [0, 1, 1, 1]])
    inputs = {"data": data, "v": WEIGHTS[:, 1:], "w1_weight": WEIGHTS[:, :1], "w0_weight": [[0.5]]}
    operators = {
        "dot": np.matmul,
        "square": np.square,
        "broadcast_add": np.add,
        "elemwise_add": np.add,
        "elemwise_sub": np.subtract,
        "sum": lambda x: x.sum(axis=1, keepdims=True),
        "_mul_scalar": lambda x: x * 0.5,
        operator: lambda x, label: x,
    }
    values = []
    for node in graph["nodes"]:
        given = [values[number] for number, _, _ in node["inputs"]]
        if node["op"] == "null":
            values.append(inputs.get(node["name"]))
        else:
            values.append(operators[node["op"]](*given))
    assert graph["nodes"][graph["heads"][0][0]]["name"] == "out"
    assert [graph["nodes"][number]["name"] for number in graph["arg_nodes"]] == [
        "data", "w1_weight", "w0_weight", "v", "out_label",
    ]  # fmt: skip
    shapes = {
        node["name"]: node["attrs"]["__shape__"]
        for node in graph["nodes"]
        if "__shape__" in node.get("attrs", {})
    }
    assert shapes == {"w1_weight": "(4, 1)", "w0_weight": "(1, 1)", "v": "(4, 2)"}
    v = WEIGHTS[:, 1:]
    pairs = [2 * v[0] @ v[2], v[1] @ v[2] + v[1] @ v[3] + v[2] @ v[3]]
    assert values[graph["heads"][0][0]][:, 0].tolist() == [0.5 + 15 + pairs[0], 0.5 + 21 + pairs[1]]


def test_what_is_written_is_read():
    machine, kind = decode(encode(MACHINE, PARAMETERS), "model_algo-1")
    assert (machine.bias, machine.weights.tolist(), kind) == (0.5, WEIGHTS.tolist(), "regressor")


def test_the_other_names_of_aws_are_read():
    params = {
        "arg:v": WEIGHTS[:, 1:].T,
        "arg:Linear_Plus_Bias_weight": WEIGHTS[:, :1].T,
        "arg:Linear_Plus_Bias_bias": np.float32([0.5]),
    }
    meta = {"training_parameters": {"predictor_type": "binary_classifier"}}
    data = write_zip({"params": write_ndarrays(params), "meta.json": json.dumps(meta).encode()})
    machine, kind = decode(data, "model_algo-1")
    assert (machine.bias, machine.weights.tolist(), kind) == (0.5, WEIGHTS.tolist(), "binary_classifier")


def test_without_hyperparameters_the_graph_says_what_is_predicted():
    files = read_zip(encode(MACHINE, PARAMETERS | {"predictor_type": "binary_classifier"}))
    del files["meta.json"]
    assert decode(write_zip(files), "model_algo-1")[1] == "binary_classifier"


GOOD = read_zip(encode(MACHINE, PARAMETERS))


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({"mx-mod-symbol.json": b"{}"}, "holds mx-mod-symbol.json; expected are params"),
        (GOOD | {"params": b"x" * 100}, "The model cannot be read"),
        (
            GOOD | {"params": write_ndarrays({"arg:v": WEIGHTS})},
            "shapes {'v': \\(4, 3\\)}; expected are v of",
        ),
        (
            GOOD
            | {"params": write_ndarrays({"v": WEIGHTS, "w0_weight": WEIGHTS[:1, :1], "w1_weight": WEIGHTS})},
            "expected are v of shape",
        ),
        (GOOD | {"meta.json": b"[]"}, "meta.json or symbol.json is not what it should be"),
        ({"params": GOOD["params"]}, "does not say what it predicts"),
        (GOOD | {"meta.json": b'{"training_parameters": {"predictor_type": "ranker"}}'}, "found 'ranker'"),
    ],
)
def test_what_is_no_model_is_refused(files, reason):
    with pytest.raises(UserError, match=reason):
        decode(write_zip(files), "model_algo-1")
