"""A user's script whose channels come in every mode: files, files on demand, streams, a shared folder."""

import json
import os
from pathlib import Path

import joblib
import numpy as np
from sklearn.linear_model import LogisticRegression


def files(channel):
    folder = Path(os.environ[f"SM_CHANNEL_{channel.upper()}"])
    return np.concatenate([np.loadtxt(path, delimiter=",") for path in sorted(folder.glob("*.csv"))])


def fifo(channel, epoch):
    return Path(os.environ[f"SM_CHANNEL_{channel.upper()}"] + f"_{epoch}")


def stream(channel, epoch):
    with fifo(channel, epoch).open() as pipe:
        return np.loadtxt(pipe, delimiter=",")


(Path(os.environ["SM_CHANNEL_FILE"]) / "mine.txt").write_text("a job's files are its own\n")
try:
    (Path(os.environ["SM_CHANNEL_FAST"]) / "mine.txt").write_text("not these\n")
    fast_is_writable = True
except OSError:
    fast_is_writable = False
with fifo("streamed", 0).open() as pipe:  # closed early
    pipe.readline()
epochs = [stream("streamed", epoch) for epoch in (1, 2)]
shared = files("shared")
(Path(os.environ["SM_CHANNEL_SHARED"]) / "seen.txt").write_text(f"{len(shared)} rows\n")

rows = np.concatenate([files("file"), files("fast"), stream("zipped", 0), epochs[-1], shared])
model = LogisticRegression(max_iter=2000).fit(rows[:, 1:], rows[:, 0])
folder = Path(os.environ["SM_MODEL_DIR"])
joblib.dump(model, folder / "model.joblib")
(folder / "seen.json").write_text(
    json.dumps(
        {
            "fast_is_writable": fast_is_writable,
            "epochs": [epoch.tolist() for epoch in epochs],
            "rows": rows.tolist(),
        }
    )
)
