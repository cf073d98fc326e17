"""From CreateTrainingJob to the first line of a user's script behind its imports, at the second start.

The script brings a requirements.txt, which the first job installs. The peer is the same script under the
environment's own interpreter, with nothing around it: what stays is what Wildsage adds.
"""

import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.report import Reading
from benchmarks.server import BUCKET, Server
from benchmarks.training import SKLEARN, Jobs, script_archive
from wildsage.cli.server import default_cache_dir
from wildsage.images.environments import Environments
from wildsage.images.frameworks import environment_spec

TORCH = "763104351884.dkr.ecr.us-west-2.amazonaws.com/pytorch-training:2.5-cpu-py311"
CASES = (
    ("scikit-learn", SKLEARN, "sklearn-1.2", "import numpy, pandas, sklearn.ensemble"),
    ("PyTorch", TORCH, "pytorch-2", "import numpy, pandas, torch"),
)
REQUIREMENTS = "tabulate==0.9.0\n"
SCRIPT = """{imports}
import time; print(time.time(), flush=True)
import os
while not os.path.exists("/opt/ml/go") and os.environ.get("SM_MODEL_DIR"):
    time.sleep(0.01)
"""


def run(rounds: int) -> Iterator[Reading]:
    with Server() as server:
        jobs = Jobs(server)
        bucket = server.client("s3")
        for name, image, environment, imports in CASES:
            script = SCRIPT.format(imports=imports)
            archive = script_archive(**{"script.py": script, "requirements.txt": REQUIREMENTS})
            bucket.put_object(Bucket=BUCKET, Key=f"{environment}.tar.gz", Body=archive)
            submitted = {
                "sagemaker_program": '"script.py"',
                "sagemaker_submit_directory": f'"s3://{BUCKET}/{environment}.tar.gz"',
            }
            job = environment.replace(".", "-")
            jobs.first_line(f"{job}-first", image, submitted)  # builds what is not there yet
            python = Environments(default_cache_dir()).python_path(environment_spec(environment))
            bare, ours = [], []
            for number in range(rounds):
                bare.append(bare_interpreter(python, script))
                ours.append(jobs.first_line(f"{job}-{number}", image, submitted).total)
            added = tuple(one - other for one, other in zip(ours, bare, strict=True))
            yield Reading(f"create → first line behind the imports, {name}", tuple(ours), peer=tuple(bare))
            yield Reading("… above the interpreter and its imports", added, target="≤ 1")


def bare_interpreter(python: Path, script: str) -> float:
    """Run a script without anything around it; return the seconds until it prints."""
    folder = Path(tempfile.mkdtemp())
    try:
        (folder / "script.py").write_text(script)
        began = time.time()
        command = [str(python), "script.py"]
        done = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True, env={})
        return float(done.stdout.split()[0]) - began
    finally:
        shutil.rmtree(folder)
