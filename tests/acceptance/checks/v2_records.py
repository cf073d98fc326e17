"""SageMaker Python SDK v2: write records with its own writer, and read others with its own reader.

``write FOLDER`` turns every ``NAME.npz`` (features, perhaps labels, perhaps sparse) into ``NAME.rec``;
``read FOLDER`` turns every ``NAME.rec`` into ``NAME.json``: a record's values, keys, shape and label.
"""

import io
import json
import sys
from pathlib import Path

import numpy as np
from sagemaker.amazon.common import (
    read_records,
    write_numpy_to_dense_tensor,
    write_spmatrix_to_sparse_tensor,
)
from scipy.sparse import csr_matrix

TENSORS = ("float32_tensor", "float64_tensor", "int32_tensor")


def write(path):
    arrays = np.load(path)
    features, labels = arrays["features"], arrays.get("labels")
    buffer = io.BytesIO()
    if "sparse" in path.stem:
        write_spmatrix_to_sparse_tensor(buffer, csr_matrix(features), labels)
    else:
        write_numpy_to_dense_tensor(buffer, features, labels)
    path.with_suffix(".rec").write_bytes(buffer.getvalue())


def read(path):
    with path.open("rb") as file:
        records = [
            {**tensor(record.features["values"]), "label": tensor(record.label["values"])}
            for record in read_records(file)
        ]
    path.with_suffix(".json").write_text(json.dumps(records))


def tensor(value):
    kind = next(name for name in TENSORS if value.HasField(name))
    found = getattr(value, kind)
    return {"kind": kind, "values": list(found.values), "keys": list(found.keys), "shape": list(found.shape)}


action, folder = sys.argv[1], Path(sys.argv[2])
for each in sorted(folder.glob("*.npz" if action == "write" else "*.rec")):
    (write if action == "write" else read)(each)
