"""Scale the columns of a table, as a processing script of the documentation does."""

import argparse
import json
import os
from pathlib import Path

import pandas as pd
import sklearn
from sklearn.preprocessing import StandardScaler

parser = argparse.ArgumentParser()
parser.add_argument("--rows", type=int, default=0)
arguments = parser.parse_args()
base = Path("/opt/ml/processing")
table = pd.read_csv(base / "input/data/table.csv", header=None)
if arguments.rows:
    table = table.head(arguments.rows)
scaled = StandardScaler().fit_transform(table)
pd.DataFrame(scaled).to_csv(base / "output/scaled.csv", header=False, index=False)
config = json.loads(Path("/opt/ml/config/processingjobconfig.json").read_text())
facts = {
    "version": sklearn.__version__,
    "word": os.environ.get("WORD", ""),
    "job": config["ProcessingJobName"],
}
(base / "output/facts.json").write_text(json.dumps(facts))
Path("/opt/ml/output/message").write_text(f"{len(table)} rows")
