"""The data of the conformance suite: rows, the channels and requests that carry them, and numbers of answers."""

import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wildsage.formats import codecs, protobuf
from wildsage.formats.content_types import CSV, JSON, JSON_LINES, LIBSVM, RECORDIO_PROTOBUF
from wildsage.formats.recordio import read_records
from wildsage.formats.recordio_protobuf import write_dense
from wildsage.formats.rows import Rows
from wildsage.formats.sparse import from_dense
from wildsage.toolkit.local import Files
from wildsage.toolkit.spec import AlgorithmSpec, Channel


def sample_rows(seed: int = 0) -> NDArray[np.float32]:
    """Three groups of rows, a label of 0 or 1 in front: (90, 5)."""
    rng = np.random.default_rng(seed)
    group = np.repeat([0, 1, 2], 30)
    features = rng.normal(group[:, np.newaxis] * 5, 1, (90, 4))
    return np.column_stack([group == 2, features]).astype(np.float32)


def to_csv(matrix: NDArray[np.float32]) -> bytes:
    """Write rows as a client would."""
    return b"".join(",".join(map(repr, row)).encode() + b"\n" for row in matrix.tolist())


def label_count(spec: AlgorithmSpec, channel: Channel) -> int:
    """How many labels stand in front of the sample's rows in a channel: 0 or 1."""
    count = int(spec.sample.label_column)
    return count if not channel.label_sizes or count in channel.label_sizes else channel.label_sizes[0]


def sample_channels(spec: AlgorithmSpec, rows: NDArray[np.float32] | None = None) -> dict[str, Files]:
    """The channels of the sample job: all that take rows, as CSV where they can be.

    Parameters
    ----------
    rows
        A label and features, (n, 5); None: the sample's.
    """
    rows = sample_rows() if rows is None else rows
    offered = {
        channel.name: next((one for one in (CSV, RECORDIO_PROTOBUF) if one in channel.content_types), None)
        for channel in spec.channels
    }
    return {
        name: _files(content_type, rows, label_count(spec, spec.channel(name)))
        for name, content_type in offered.items()
        if content_type is not None
    }


def _files(content_type: str, rows: NDArray[np.float32], labels: int) -> Files:
    if content_type == CSV:
        return Files(f"{CSV};label_size={labels}", {"part-0.csv": to_csv(rows[:, 1 - labels :])})
    return Files(content_type, {"part-0.pbr": write_dense(rows[:, 1:], rows[:, :labels] if labels else None)})


def sample_arrays(spec: AlgorithmSpec) -> dict[str, tuple[NDArray[np.float32], NDArray[np.float32] | None]]:
    """The same channels as arrays: features, and labels where there are some."""
    rows = sample_rows()
    return {
        name: (rows[:, 1:], rows[:, 0] if label_count(spec, spec.channel(name)) else None)
        for name in sample_channels(spec)
    }


def dense_bodies(rows: NDArray[np.float32]) -> list[tuple[str, bytes]]:
    """Requests with these rows: content type and body, in every form that gives all values."""
    values: list[list[float]] = rows.tolist()
    forms: list[list[dict[str, Any]]] = [
        [{"features": row} for row in values],
        [{"data": {"features": row}} for row in values],
        [{"data": {"features": {"values": row}}} for row in values],
    ]
    return [
        (CSV, to_csv(rows)),
        *((JSON, json.dumps({"instances": form}).encode()) for form in forms),
        *((JSON_LINES, "\n".join(map(json.dumps, form)).encode()) for form in forms),
        (RECORDIO_PROTOBUF, write_dense(rows)),
        # A line of LIBSVM begins with a label.
        (LIBSVM, codecs.find(LIBSVM).write(Rows(rows, np.zeros((len(rows), 1), np.float32)))),
    ]


def sparse_bodies(rows: NDArray[np.float32]) -> list[tuple[str, bytes]]:
    """Requests with these rows, in every form that leaves zeros out."""
    sparse = Rows(from_dense(rows), np.zeros((len(rows), 0), np.float32))
    return [(name, codecs.find(name).write(sparse)) for name in (JSON, JSON_LINES, RECORDIO_PROTOBUF)]


def request(spec: AlgorithmSpec, rows: NDArray[np.float32]) -> tuple[str, bytes]:
    """A request with these rows in the first form that the algorithm takes: content type and body."""
    return next((name, body) for name, body in dense_bodies(rows) if name in spec.request_types)


def read_numbers(body: bytes, media_type: str) -> list[float]:
    """All numbers of an answer in order."""
    if media_type == RECORDIO_PROTOBUF:
        tensors = [
            tensor for part in read_records(body) for tensor in protobuf.decode_record(part).label.values()
        ]
        return [float(v) for tensor in tensors if isinstance(tensor, protobuf.Tensor) for v in tensor.values]
    if media_type == CSV:
        return [float(text) for text in body.decode().replace("\n", ",").split(",") if text]
    if media_type == JSON_LINES:
        return _leaves([json.loads(line) for line in body.splitlines()])
    return _leaves(json.loads(body))


def _leaves(value: Any) -> list[float]:
    if isinstance(value, dict):
        return [leaf for item in value.values() for leaf in _leaves(item)]
    if isinstance(value, list):
        return [leaf for item in value for leaf in _leaves(item)]
    return [float(value)]
