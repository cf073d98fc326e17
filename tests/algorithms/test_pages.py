"""The pages of the algorithms: their snippets run, and each has an example and a row in the benchmark."""

import re
import subprocess
import sys
import tarfile
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from wildsage.algorithms.registry import MODULES, load_spec
from wildsage.formats.ndarray import read_ndarrays
from wildsage.toolkit.conformance.samples import sample_channels
from wildsage.toolkit.local import LocalContainer

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# What is still to be written, and fails here as soon as it is.


def package(name):
    """What its page, its example and its benchmark are called: as its package."""
    return MODULES[name].rpartition(".")[2]


def page_of(name):
    return (ROOT / "docs" / "algorithms" / f"{package(name)}.md").read_text()


def section(page, words):
    """The snippets below the heading that holds some words."""
    parts = re.split(r"^#+ ", page, flags=re.MULTILINE)
    return [code for part in parts if words in part.partition("\n")[0] for code in BLOCK.findall(part)]


def run(code, folder):
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def model(request, tmp_path):
    """A folder with the artifact of the sample, packed as a job's and unpacked, too."""
    spec = load_spec(request.param)
    for library in spec.requires:
        if find_spec(library) is None:
            pytest.skip(f"{library} is not installed")
    container = LocalContainer(spec.module, tmp_path)
    container.prepare(spec.sample.hyperparameters, sample_channels(spec))
    code, log = container.train_here()
    assert code == 0, log
    with tarfile.open(container.paths.model / "model.tar.gz", "w:gz") as archive:
        for path in container.paths.model.iterdir():
            if path.suffix != ".gz":
                archive.add(path, path.name)
    return spec.name, container.paths.model


@pytest.mark.parametrize("model", sorted(MODULES), indirect=True)
def test_the_model_opens_without_wildsage(model):
    name, folder = model
    snippets = section(page_of(name), "without Wildsage")
    assert snippets
    for snippet in snippets:
        run(f"import sys\nsys.modules['wildsage'] = None\n{snippet}", folder)


@pytest.mark.parametrize(
    ("model", "expression"), [("kmeans", "[centres]"), ("pca", "list(model.values())")], indirect=["model"]
)
def test_what_the_snippet_opens_is_the_model(model, expression):
    name, folder = model
    (snippet,) = section(page_of(name), "without Wildsage")
    run(f"{snippet}\nnp.savez('found', *{expression})", folder)
    found = np.load(folder / "found.npz")
    wanted, _ = read_ndarrays((folder / "model_algo-1").read_bytes())
    assert len(wanted) == len(found.files)
    for key, array in zip(found.files, wanted, strict=True):
        np.testing.assert_array_equal(found[key], array)


@pytest.mark.parametrize("name", sorted(MODULES))
def test_the_other_snippets_run(name, tmp_path):
    page = page_of(name)
    elsewhere = section(page, "without Wildsage")
    for code in BLOCK.findall(page):
        if code not in elsewhere:
            run(code, tmp_path)


@pytest.mark.parametrize("name", MODULES)
def test_nothing_is_missing(name):
    assert section(page_of(name), "without Wildsage")
    for folder in ("examples", "benchmarks"):
        assert (ROOT / folder / "algorithms" / f"{package(name)}.py").exists()
