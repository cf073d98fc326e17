"""A user's script: a decision tree on the iris flowers."""

import argparse
import os

import joblib
import pandas as pd
from sklearn import tree

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--max_leaf_nodes", type=int, default=-1)
    parser.add_argument("--output-data-dir", type=str, default=os.environ["SM_OUTPUT_DATA_DIR"])
    parser.add_argument("--model-dir", type=str, default=os.environ["SM_MODEL_DIR"])
    parser.add_argument("--train", type=str, default=os.environ["SM_CHANNEL_TRAIN"])
    args = parser.parse_args()
    files = [os.path.join(args.train, name) for name in os.listdir(args.train)]
    data = pd.concat([pd.read_csv(name, header=None) for name in files])
    classifier = tree.DecisionTreeClassifier(max_leaf_nodes=args.max_leaf_nodes, random_state=0)
    classifier.fit(data.iloc[:, 1:], data.iloc[:, 0])
    joblib.dump(classifier, os.path.join(args.model_dir, "model.joblib"))
    print("trained on", len(data), "rows")


def model_fn(model_dir):
    return joblib.load(os.path.join(model_dir, "model.joblib"))
