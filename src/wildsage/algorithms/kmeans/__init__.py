"""K-Means (web-scale k-means): mini-batches over many centres, shrunk to k at the end."""

from wildsage.algorithms.kmeans.spec import SPEC

__all__ = ["SPEC"]
