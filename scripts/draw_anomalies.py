"""Draw anomaly scores over a series as ``docs/images/randomcutforest.svg``.

The series comes with river: ``pip install river``, or run it in the environment of ``make bench-algorithms``.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from river.datasets import WaterFlow

from wildsage.algorithms.randomcutforest import RandomCutForest
from wildsage.algorithms.randomcutforest.evaluation import flagged

PICTURE = Path(__file__).parents[1] / "docs" / "images" / "randomcutforest.svg"
WIDTH, HEIGHT, MARGIN = 900, 140, 30
STYLE = 'font-family="sans-serif" font-size="13" fill="#222222"'


def line(values: NDArray[np.float64], top: float, colour: str) -> str:
    """Return values as a line of SVG, `HEIGHT` high."""
    across = np.linspace(0, WIDTH, len(values))
    down = top + HEIGHT * (1 - (values - values.min()) / np.ptp(values))
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in zip(across, down, strict=True))
    return f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.2"/>'


def spans(marks: NDArray[np.bool_], height: int) -> Iterator[str]:
    """Yield a bar for each run of marks, wide enough to be seen."""
    edges = np.flatnonzero(np.diff(marks.astype(int), prepend=0, append=0)).reshape(-1, 2)
    for first, end in edges * WIDTH / len(marks):
        width = max(end - first, 4)
        yield f'<rect x="{first:.1f}" y="0" width="{width:.1f}" height="{height}" fill="#e69f00" fill-opacity="0.35"/>'


def draw() -> str:
    """Return the picture. Equal versions of numpy and river draw an equal one."""
    flow = np.array([value for _, value in WaterFlow()])
    scores = RandomCutForest().fit(flow[:, np.newaxis]).predict(flow[:, np.newaxis])["score"]
    threshold = scores.mean() + 3 * scores.std()
    below = HEIGHT + 2 * MARGIN
    level = below + HEIGHT * (1 - (threshold - scores.min()) / np.ptp(scores))
    height = below + HEIGHT + MARGIN // 2
    shapes = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}">',
        '<rect width="100%" height="100%" fill="#ffffff"/>',
        *spans(flagged(scores), height),
        line(flow, MARGIN, "#0072b2"),
        line(scores, below, "#d55e00"),
        f'<line x1="0" x2="{WIDTH}" y1="{level:.1f}" y2="{level:.1f}" stroke="#222222" stroke-dasharray="5 4"/>',
        f'<text x="6" y="18" {STYLE}>Water flow, {flow.min():.0f} to {flow.max():.0f} l/s</text>',
        f'<text x="6" y="{below - 12}" {STYLE}>Score, {scores.min():.1f} to {scores.max():.1f}</text>',
        f'<text x="{WIDTH - 6}" y="{level - 6:.1f}" text-anchor="end" {STYLE}>mean + 3 standard deviations</text>',
        "</svg>\n",
    ]
    return "\n".join(shapes)


if __name__ == "__main__":
    PICTURE.write_text(draw())
