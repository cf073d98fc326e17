"""A user's script that reports how well it does: a decision tree on the iris flowers."""

import argparse
import os

import joblib
import pandas as pd
from sklearn import tree
from sklearn.model_selection import cross_val_score

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--max_depth", type=int, default=1)
    parser.add_argument("--ccp_alpha", type=float, default=0.0)
    parser.add_argument("--criterion", type=str, default="gini")
    parser.add_argument("--model-dir", type=str, default=os.environ["SM_MODEL_DIR"])
    parser.add_argument("--train", type=str, default=os.environ["SM_CHANNEL_TRAIN"])
    args = parser.parse_args()
    files = [os.path.join(args.train, name) for name in os.listdir(args.train)]
    data = pd.concat([pd.read_csv(name, header=None) for name in files])
    classifier = tree.DecisionTreeClassifier(
        max_depth=args.max_depth, ccp_alpha=args.ccp_alpha, criterion=args.criterion, random_state=0
    )
    scores = cross_val_score(classifier, data.iloc[:, 1:], data.iloc[:, 0], cv=5)
    print(f"accuracy={scores.mean():.4f};")
    classifier.fit(data.iloc[:, 1:], data.iloc[:, 0])
    joblib.dump(classifier, os.path.join(args.model_dir, "model.joblib"))


def model_fn(model_dir):
    return joblib.load(os.path.join(model_dir, "model.joblib"))
