"""The graph of a factorization machine as MXNet writes it (``symbol.json``), so that MXNet can run the model.

``mx.module.Module.load`` takes it with the parameters ``v``, ``w1_weight`` and ``w0_weight``, data named ``data`` and
labels named ``out_label``.
"""

import json
from collections.abc import Mapping
from typing import Any

_VERSION = 10900
"""MXNet 1.9.0, the last with a Module."""
_OUTPUTS = {"regressor": "LinearRegressionOutput", "binary_classifier": "LogisticRegressionOutput"}


class _Graph:
    """Nodes in the order in which they are computed."""

    def __init__(self) -> None:
        self.nodes: list[dict[str, Any]] = []

    def variable(self, name: str, *shape: int) -> int:
        """Add an input, of a shape if it is a parameter; returns its number."""
        node: dict[str, Any] = {"op": "null", "name": name}
        if shape:
            node["attrs"] = {"__shape__": str(shape)}  # MXNet does not find it out by itself
        return self._add(node | {"inputs": []})

    def apply(self, operator: str, name: str, *inputs: int, **attributes: str) -> int:
        """Add an operator on other nodes; returns its number."""
        node: dict[str, Any] = {"op": operator, "name": name}
        if attributes:
            node["attrs"] = attributes
        return self._add(node | {"inputs": [[number, 0, 0] for number in inputs]})

    def _add(self, node: dict[str, Any]) -> int:
        self.nodes.append(node)
        return len(self.nodes) - 1


def write_symbol(predictor_type: str, d: int, k: int) -> bytes:
    """Describe the scores of ``data``, (n, d), by k factors."""
    graph = _Graph()
    data = graph.variable("data")
    linear = graph.apply("dot", "linear", data, graph.variable("w1_weight", d, 1))
    biased = graph.apply("broadcast_add", "linear_plus_bias", linear, graph.variable("w0_weight", 1, 1))
    factors = graph.variable("v", d, k)
    sums = graph.apply("square", "sums_squared", graph.apply("dot", "sums", data, factors))
    data_squared, factors_squared = (
        graph.apply("square", name, of) for name, of in (("data_squared", data), ("factors_squared", factors))
    )
    squares = graph.apply("dot", "squares_summed", data_squared, factors_squared)
    pairs = graph.apply("elemwise_sub", "pairs", sums, squares)
    twice = graph.apply("sum", "pairs_summed", pairs, axis="1", keepdims="True")
    half = graph.apply("_mul_scalar", "interactions", twice, scalar="0.5")
    score = graph.apply("elemwise_add", "score", biased, half)
    out = graph.apply(_OUTPUTS[predictor_type], "out", score, graph.variable("out_label"))
    described = {
        "nodes": graph.nodes,
        "arg_nodes": [number for number, node in enumerate(graph.nodes) if node["op"] == "null"],
        "node_row_ptr": list(range(len(graph.nodes) + 1)),
        "heads": [[out, 0, 0]],
        "attrs": {"mxnet_version": ["int", _VERSION]},
    }
    return json.dumps(described, indent=2).encode()


def predictor_type_of(symbol: Mapping[str, Any]) -> str | None:
    """Tell what a graph predicts by its output; None: it has no output of a factorization machine."""
    operators = {node.get("op") for node in symbol.get("nodes", ()) if isinstance(node, dict)}
    found = [name for name, operator in _OUTPUTS.items() if operator in operators]
    return found[0] if len(found) == 1 else None
