"""A user's script for the XGBoost image."""

import argparse
import os

import xgboost

parser = argparse.ArgumentParser()
parser.add_argument("--max_depth", type=int, required=True)
parser.add_argument("--objective", required=True)
parser.add_argument("--num_round", type=int, required=True)
arguments = parser.parse_args()
train = xgboost.DMatrix(os.path.join(os.environ["SM_CHANNEL_TRAIN"], "train.libsvm") + "?format=libsvm")
booster = xgboost.train(
    {"max_depth": arguments.max_depth, "objective": arguments.objective}, train, arguments.num_round
)
booster.save_model(os.path.join(os.environ["SM_MODEL_DIR"], "model.json"))
print("trained with", xgboost.__version__)
