"""Data-parallel training as PyTorch's documentation writes it: one process alone, or one on each host."""

import argparse
import json
import os

import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel

parser = argparse.ArgumentParser()
parser.add_argument("--batch-size", type=int)
parser.add_argument("--steps", type=int)
arguments, _ = parser.parse_known_args()

rank, size = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
torch.set_num_threads(1)
torch.manual_seed(0)
x = torch.randn(4096, 16, dtype=torch.float64)
y = torch.sin(x @ torch.randn(16, 1, dtype=torch.float64))
model = torch.nn.Sequential(torch.nn.Linear(16, 32), torch.nn.Tanh(), torch.nn.Linear(32, 1)).double()
network = model
if size > 1:
    dist.init_process_group("gloo")
    network = DistributedDataParallel(model)
optimizer = torch.optim.SGD(network.parameters(), lr=0.1)

for step in range(arguments.steps):
    # Each process takes its part of the step's rows: together they are one batch.
    start = (step * size + rank) * arguments.batch_size
    rows = torch.arange(start, start + arguments.batch_size) % len(x)
    optimizer.zero_grad()
    loss = torch.nn.functional.mse_loss(network(x[rows]), y[rows])
    loss.backward()
    optimizer.step()
    shown = loss.detach().clone()
    if size > 1:
        dist.all_reduce(shown)
    print(f"step={step} loss={shown.item() / size:.12f};", flush=True)

if rank == 0:
    folder = os.environ["SM_MODEL_DIR"]
    torch.save(model.state_dict(), os.path.join(folder, "model.pth"))
    with open(os.path.join(folder, "seen.json"), "w") as file:
        json.dump({"hosts": json.loads(os.environ["SM_HOSTS"]), "size": size}, file)
if size > 1:
    dist.destroy_process_group()
