"""A user's script: a linear model in Keras, exported as a SavedModel."""

import argparse
import os

import numpy as np
import tensorflow as tf

parser = argparse.ArgumentParser()
parser.add_argument("--epochs", type=int, required=True)
parser.add_argument("--model_dir")  # the SDK sends a place in S3
arguments = parser.parse_args()
print("model_dir", arguments.model_dir)

rows = np.loadtxt(os.path.join(os.environ["SM_CHANNEL_TRAIN"], "train.csv"), delimiter=",", dtype="float32")
model = tf.keras.Sequential([tf.keras.Input(shape=(3,)), tf.keras.layers.Dense(1)])
model.compile(optimizer=tf.keras.optimizers.Adam(0.1), loss="mse")
history = model.fit(rows[:, 1:], rows[:, 0], epochs=arguments.epochs, batch_size=64, verbose=0)
print("loss", history.history["loss"][-1])
model.export(os.path.join(os.environ["SM_MODEL_DIR"], "1"))
