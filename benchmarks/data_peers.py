"""The peers of `benchmarks.data`, in an environment of their own: reads "CASE FILE" lines, answers seconds.

python benchmarks/data_peers.py < cases
"""

import io
import json
import os
import sys
import time
from importlib.metadata import version
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.csv
import scipy.sparse

os.environ["SAGEMAKER_SUPPRESS_V2_WARNING"] = "1"
from sagemaker.amazon.common import read_records, write_numpy_to_dense_tensor


def dense(path):
    with Path(path).open("rb") as file:
        records = read_records(file)
    features = [record.features["values"].float32_tensor.values for record in records]
    labels = [record.label["values"].float32_tensor.values for record in records]
    return np.array(features, np.float32), np.array(labels, np.float32)


def sparse(path):
    with Path(path).open("rb") as file:
        records = read_records(file)
    tensors = [record.features["values"].float32_tensor for record in records]
    starts = np.cumsum([0, *(len(tensor.keys) for tensor in tensors)])
    values = np.concatenate([np.array(tensor.values, np.float32) for tensor in tensors])
    keys = np.concatenate([np.array(tensor.keys, np.int64) for tensor in tensors])
    labels = [record.label["values"].float32_tensor.values for record in records]
    width = tensors[0].shape[0]
    return scipy.sparse.csr_matrix((values, keys, starts), (len(records), width)), np.array(
        labels, np.float32
    )


def write(path):
    matrix = np.load(path)
    began = time.perf_counter()
    write_numpy_to_dense_tensor(io.BytesIO(), matrix[:, 1:], matrix[:, 0])
    return time.perf_counter() - began


def names(path):
    with Path(path).open() as file:
        return [str(column) for column in range(file.readline().count(",") + 1)]


def by_polars(path):
    schema = dict.fromkeys(names(path), pl.Float32)
    return pl.read_csv(path, has_header=False, schema=schema).to_numpy(order="c")


def by_pandas(path):
    return np.ascontiguousarray(pd.read_csv(path, header=None, dtype=np.float32).to_numpy())


def by_pyarrow(path):
    columns = names(path)
    table = pyarrow.csv.read_csv(
        path,
        pyarrow.csv.ReadOptions(column_names=columns),
        convert_options=pyarrow.csv.ConvertOptions(column_types=dict.fromkeys(columns, pa.float32())),
    )
    return np.column_stack([column.to_numpy() for column in table.columns])


def by_duckdb(path):
    columns = dict.fromkeys(names(path), "FLOAT")
    found = duckdb.connect().execute(f"select * from read_csv('{path}', header=false, columns={columns})")
    return np.column_stack(list(found.fetchnumpy().values()))


CASES = {
    "dense": dense,
    "sparse": sparse,
    "write": write,
    "polars": by_polars,
    "pandas": by_pandas,
    "pyarrow": by_pyarrow,
    "duckdb": by_duckdb,
}
PACKAGES = ("sagemaker", "protobuf", "polars", "pandas", "pyarrow", "duckdb", "numpy")


def main():
    print(json.dumps({name: version(name) for name in PACKAGES}), flush=True)
    for line in sys.stdin:
        case, path = line.split()
        began = time.perf_counter()
        result = CASES[case](path)
        seconds = time.perf_counter() - began
        print(json.dumps(result if case == "write" else seconds), flush=True)


if __name__ == "__main__":
    main()
