"""``wildsage demo``: the main job on real data, from upload to prediction, with a picture at the end."""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from importlib.resources import as_file, files
from pathlib import Path

import numpy as np

from wildsage.cli import background, down
from wildsage.cli.console import CommandError
from wildsage.demo.picture import write_picture
from wildsage.formats.ndarray import read_ndarrays

_SCRIPT = "digits_kmeans.py"
_DATA = "digits.csv.gz"


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the subcommand."""
    parser = subparsers.add_parser("demo")
    parser.add_argument(
        "--output",
        type=Path,
        metavar="DIR",
        default=Path("demo-output"),
        help="where results go (default: %(default)s)",
    )
    parser.set_defaults(execute=execute)


def execute(arguments: argparse.Namespace) -> int:
    """Run the demo; the server that it starts ends with it."""
    try:
        return _execute(arguments)
    except KeyboardInterrupt:
        _say_what_keeps_running(arguments)
        return 128 + signal.SIGINT


def _execute(arguments: argparse.Namespace) -> int:
    began = time.monotonic()
    arguments.output.mkdir(parents=True, exist_ok=True)
    script = arguments.output / _SCRIPT
    package = files("wildsage.demo")
    script.write_text((package / _SCRIPT).read_text())
    started_here = background.ensure_server(arguments.data_dir)
    print(f"  {time.monotonic() - began:5.1f} s  the server is up")
    print(f"\nRunning {script}, a plain boto3 script:\n")
    with as_file(package / _DATA) as data:
        shutil.copy(data, arguments.output / _DATA)
    command = [sys.executable, "-m", "wildsage", "run", "--data-dir", str(arguments.data_dir), "--"]
    command += [sys.executable, str(script), str(arguments.output / _DATA), str(arguments.output)]
    result = subprocess.run(command, check=False)
    if result.returncode != 0:
        _say_what_keeps_running(arguments)
        raise CommandError(f"the script ended with exit code {result.returncode}")
    picture = _draw(arguments.output)
    print(f"\n  the ten centroids, each above digits of its group:  {picture}")
    print(f"  the script that ran:                                {script}")
    print(f"\n{time.monotonic() - began:.1f} s in all. The same with your own code:")
    print(f"  {_own_name()} up -d && {_own_name()} run -- python your_script.py\n")
    if started_here:
        down.execute(argparse.Namespace(data_dir=arguments.data_dir, all=True))
    return 0


def _say_what_keeps_running(arguments: argparse.Namespace) -> None:
    print(
        "\nThe script did not end well. The server and what it created keep running:\n"
        f"  {_own_name()} ls --region us-west-2 --data-dir {arguments.data_dir}     shows jobs and endpoints\n"
        f"  {_own_name()} down --all --data-dir {arguments.data_dir}                ends all of it",
        file=sys.stderr,
    )


def _own_name() -> str:
    """Return what the user types for this command: its path where the shell does not find it, as after make."""
    if shutil.which("wildsage"):
        return "wildsage"
    return sys.argv[0] if os.access(sys.argv[0], os.X_OK) else f"{sys.executable} -m wildsage"


def _draw(output: Path) -> Path:
    """Draw the centroids of the model, and below each some digits of its group."""
    with tarfile.open(output / "model.tar.gz") as archive:
        member = archive.extractfile("model_algo-1")
        if member is None:
            raise CommandError("the model has no file model_algo-1")
        (centroids,), _names = read_ndarrays(member.read())
    found = json.loads((output / "clusters.json").read_text())
    digits = np.loadtxt(output / _DATA, delimiter=",", dtype=np.float32)[:, 1:]
    picture = output / "digits.png"
    write_picture(picture, np.asarray(centroids), digits, np.array(found["clusters"]))
    return picture
