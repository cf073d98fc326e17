"""What docs/algorithms/knn.md says of a model's files, in a Python that cannot import Wildsage."""

import re
import subprocess
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits

from wildsage.algorithms.knn import KNN

PAGE = Path(__file__, "../../../../docs/algorithms/knn.md").resolve().read_text()
DIGITS, CLASSES = (part.astype(np.float32) for part in load_digits(return_X_y=True))
SNIPPET = next(code for code in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL) if "tarfile" in code)
REST = """
import sys
assert not any(name.startswith("wildsage") for name in sys.modules)
np.save("found.npy", nearest(np.load("queries.npy")))
"""


@pytest.mark.parametrize(
    "hyperparameters",
    [
        {},
        {"index_metric": "COSINE"},
        {"index_type": "faiss.IVFFlat"},
        {"dimension_reduction_type": "sign", "dimension_reduction_target": 20},
        {"dimension_reduction_type": "fjlt", "dimension_reduction_target": 20},
    ],
    ids=str,
)
def test_the_snippet_finds_the_same_neighbours(tmp_path, hyperparameters):
    model = KNN(k=3, predictor_type="classifier", **hyperparameters).fit(DIGITS[200:], CLASSES[200:])
    model.save(tmp_path / "model")
    with tarfile.open(tmp_path / "model.tar.gz", "w:gz") as archive:
        for path in (tmp_path / "model").iterdir():
            archive.add(path, path.name)
    np.save(tmp_path / "queries.npy", DIGITS[:200])
    subprocess.run([sys.executable, "-c", SNIPPET + REST], cwd=tmp_path, check=True)
    wanted = model.predict(DIGITS[:200], verbose="true")["labels"]
    assert np.mean(np.load(tmp_path / "found.npy") == wanted) > 0.995
