"""Runs inside of SageMaker's scikit-learn image."""

import argparse
import os
from pathlib import Path

import joblib
import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--regularization", type=float, default=1.0)
    parser.add_argument("--model-dir", default=os.environ["SM_MODEL_DIR"])
    parser.add_argument("--train", default=os.environ["SM_CHANNEL_TRAIN"])
    arguments = parser.parse_args()
    rows = np.concatenate(
        [np.loadtxt(path, delimiter=",") for path in sorted(Path(arguments.train).glob("*.csv"))]
    )
    model = make_pipeline(StandardScaler(), LogisticRegression(C=arguments.regularization))
    model.fit(rows[:, 1:], rows[:, 0])
    print(f"accuracy={model.score(rows[:, 1:], rows[:, 0]):.4f}")
    joblib.dump(model, Path(arguments.model_dir) / "model.joblib")


def model_fn(model_dir):
    return joblib.load(Path(model_dir) / "model.joblib")


if __name__ == "__main__":
    main()
