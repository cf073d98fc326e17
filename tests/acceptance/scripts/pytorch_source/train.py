"""A user's script: regression with a small network; and what serves it."""

import argparse
import os

import numpy as np
import torch
import wildwords
from wildnet import make_net


def model_fn(model_dir):
    net = make_net(16)
    net.load_state_dict(torch.load(os.path.join(model_dir, "model.pt"), weights_only=True))
    return net.eval()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=int, required=True)
    parser.add_argument("--learning-rate", type=float, required=True)
    arguments = parser.parse_args()
    rows = np.loadtxt(
        os.path.join(os.environ["SM_CHANNEL_TRAIN"], "train.csv"), delimiter=",", dtype="float32"
    )
    x, y = torch.from_numpy(rows[:, 1:]), torch.from_numpy(rows[:, :1])
    torch.manual_seed(0)
    net = make_net(16)
    optimizer = torch.optim.Adam(net.parameters(), lr=arguments.learning_rate)
    for _ in range(arguments.epochs):
        optimizer.zero_grad()
        loss = torch.nn.functional.mse_loss(net(x), y)
        loss.backward()
        optimizer.step()
    print("trained with wildwords", wildwords.VERSION)
    print(f"loss={loss.item():.5f};")
    torch.save(net.state_dict(), os.path.join(os.environ["SM_MODEL_DIR"], "model.pt"))
