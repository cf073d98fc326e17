"""A user's script for ModelTrainer: reads /opt/ml as documented and writes its model there."""

import argparse
import json
import os
from pathlib import Path

import joblib
import numpy as np
from sklearn.linear_model import LogisticRegression

parser = argparse.ArgumentParser()
parser.add_argument("--penalty-c", type=float, required=True)
parser.add_argument("--classes", type=json.loads, required=True)
arguments = parser.parse_args()

(path,) = Path(os.environ["SM_CHANNEL_TRAIN"]).glob("*.csv")
rows = np.loadtxt(path, delimiter=",")
model = LogisticRegression(C=arguments.penalty_c, max_iter=2000).fit(rows[:, 1:], rows[:, 0])
assert list(model.classes_) == arguments.classes, (model.classes_, arguments.classes)
print(f"accuracy={model.score(rows[:, 1:], rows[:, 0]):.4f};")
joblib.dump(model, Path(os.environ["SM_MODEL_DIR"]) / "model.joblib")
print("host", os.environ["SM_CURRENT_HOST"], "of", os.environ["SM_HOSTS"])
