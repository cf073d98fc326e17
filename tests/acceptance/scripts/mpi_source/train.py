"""Ranks add up what each of them has; the first one saves what they found."""

import argparse
import json
import os
import socket

import numpy as np
from mpi4py import MPI

parser = argparse.ArgumentParser()
parser.add_argument("--failing-rank", type=int, default=-1)
arguments, _ = parser.parse_known_args()

world = MPI.COMM_WORLD
mine = np.full(1000, world.rank + 1.0)
total = np.empty_like(mine)
world.Allreduce(mine, total, op=MPI.SUM)
if world.rank == arguments.failing_rank:
    raise ValueError(f"rank {world.rank} has bad rows")
hosts = world.gather((socket.gethostname(), os.environ["SM_CURRENT_HOST"]), root=0)
if world.rank == 0:
    print(f"loss={total.mean():.1f};", flush=True)
    with open(os.path.join(os.environ["SM_MODEL_DIR"], "seen.json"), "w") as file:
        json.dump({"sum": total.mean(), "hosts": hosts, "library": MPI.Get_library_version()}, file)
