"""Real data that comes with packages: features as float32, and labels."""

import gzip
import importlib.util
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn import datasets

Matrix = NDArray[np.float32]
FASHION_MNIST = Path("/usr/share/datasets/fashion-mnist")
"""Of Debian's package ``dataset-fashion-mnist``."""


@cache
def bundled(name: str) -> tuple[Matrix, Matrix]:
    """Return a set of scikit-learn's: ``digits``, ``breast_cancer``, ``wine``, ``iris``, ``diabetes``, ``linnerud``."""
    found = getattr(datasets, f"load_{name}")()
    return found.data.astype(np.float32), found.target.astype(np.float32)


@cache
def fashion_mnist(part: str = "train") -> tuple[Matrix, Matrix]:
    """Return the images, (60000 or 10000, 784) from 0 to 255, and their classes; `part` is ``train`` or ``t10k``.

    Raises
    ------
    ImportError
        If the package is not installed.
    """
    if not FASHION_MNIST.exists():
        raise ImportError("Fashion-MNIST is not installed: apt-get install dataset-fashion-mnist")
    images = np.frombuffer(
        gzip.decompress((FASHION_MNIST / f"{part}-images-idx3-ubyte.gz").read_bytes()), np.uint8
    )
    labels = np.frombuffer(
        gzip.decompress((FASHION_MNIST / f"{part}-labels-idx1-ubyte.gz").read_bytes()), np.uint8
    )
    return images[16:].reshape(-1, 784).astype(np.float32), labels[8:].astype(np.float32)


@cache
def movielens_100k() -> NDArray[np.int64]:
    """Return users, films (both from 0) and ratings (1 to 5): (100000, 3). They come in recbole's wheel."""
    spec = importlib.util.find_spec("recbole")
    if spec is None or spec.origin is None:
        raise ImportError("recbole is not installed: run `make bench-algorithms`")
    file = Path(spec.origin).parent / "dataset_example" / "ml-100k" / "ml-100k.inter"
    table = np.loadtxt(file, skiprows=1, usecols=(0, 1, 2), dtype=np.float64).astype(np.int64)
    for column in (0, 1):
        table[:, column] = np.unique(table[:, column], return_inverse=True)[1]
    return table
