"""Draw what K-Means does as ``docs/images/kmeans.svg``: points, the centres of its pass, and those that are left."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wildsage.algorithms.kmeans.lloyd import assign
from wildsage.algorithms.kmeans.web_scale import Settings, WebScaleKMeans, shrink

PICTURE = Path(__file__).parents[1] / "docs" / "images" / "kmeans.svg"
SIZE = 480
COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00")


def circle(place: list[float], radius: float, style: str) -> str:
    """Return a circle of SVG."""
    return f'<circle cx="{place[0]:.1f}" cy="{place[1]:.1f}" r="{radius:.1f}" {style}/>'


def draw() -> str:
    """Return the picture. Equal versions of numpy draw an equal one."""
    rng = np.random.default_rng(7)
    middles = rng.uniform(-1, 1, (6, 2)) * [1.3, 1.0]
    points = (middles[rng.integers(6, size=3000)] + rng.normal(0, 0.14, (3000, 2))).astype(np.float32)
    settings = Settings(6, 10, 0, "random", "kmeans++", 300, 10, 1e-4)
    model = WebScaleKMeans(settings, rng)
    for batch in np.split(points, 6):
        model.observe(batch)
    kept = model.summary()
    centres = shrink([kept], settings, rng)
    labels, _ = assign(points, centres)
    low, high = points.min(axis=0) - 0.1, points.max(axis=0) + 0.1
    height = round(SIZE * (high[1] - low[1]) / (high[0] - low[0]))

    def placed(rows: NDArray[Any]) -> list[list[float]]:
        found: list[list[float]] = ((rows - low) / (high - low) * [SIZE, height]).tolist()
        return found

    near = zip(placed(points[::3]), labels[::3].tolist(), strict=True)
    shapes = [circle(place, 1.5, f'fill="{COLOURS[label]}" fill-opacity="0.7"') for place, label in near]
    for place, weight in zip(placed(kept.points), kept.weights.tolist(), strict=True):
        shapes.append(circle(place, 1 + 0.4 * weight**0.5, 'fill="#222222"'))
    ring = 'fill="none" stroke="#000000" stroke-width="3"'
    shapes += [circle(place, 11, ring) for place in placed(centres)]
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {SIZE} {height}" width="{SIZE}" height="{height}">'
    return "\n".join([head, '<rect width="100%" height="100%" fill="#ffffff"/>', *shapes, "</svg>\n"])


if __name__ == "__main__":
    PICTURE.write_text(draw())
