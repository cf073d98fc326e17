"""Draw the best so far of each way to search as ``docs/images/tuning.svg``: medians, and what half of the seeds lie within.

The curves are those that `make bench-tuning` measured last and that are kept in ``benchmarks/results``.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

ROOT = Path(__file__).parents[1]
PICTURE = ROOT / "docs" / "images" / "tuning.svg"
WIDTH, HEIGHT = 270, 200
LEFT, TOP, GAP, BELOW = 44, 62, 52, 40
QUARTILES = (25, 50, 75)
PART = 3
"""Of all epochs of the networks only the first third is drawn."""

BOOSTED, LINEAR = "XGBoost, breast_cancer", "Linear Learner, breast_cancer"
LOOKS = {
    "Bayesian": "#0072b2",
    "Hyperband": "#009e73",
    "Random": "#777777",
    "Grid": "#e69f00",
    "Optuna, TPESampler": "#d55e00",
    "Optuna, GPSampler": "#cc79a7",
}
"""The colour of each search."""

COLUMNS = {
    "Bayesian": "Wildsage",
    "Random": "Wildsage, Random",
    "Grid": "Wildsage, Grid",
    "Optuna, TPESampler": "TPESampler",
    "Optuna, GPSampler": "GPSampler",
}
"""What the benchmark calls them."""

STYLE = 'font-family="sans-serif" font-size="12" fill="#222222"'
Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Panel:
    """One objective.

    Attributes
    ----------
    unit
        What the search spends.
    spent
        (k,): how much of it at each point of a curve.
    curves
        By search the quartiles of the best so far, (3, k); NaN before the first trial has ended.
    reference, meaning
        A loss that is marked, and what it is.
    """

    title: str
    unit: str
    spent: Array
    curves: Mapping[str, Array]
    reference: float | None = None
    meaning: str = ""

    def draw(self, left: float) -> Iterator[str]:
        """Yield its shapes, `left` being where its axes cross."""
        least = min(float(np.nanmin(curve)) for curve in self.curves.values())
        most = max(float(np.nanmax(curve[1])) for curve in self.curves.values())
        low, high = np.log(least) - 0.05, np.log(most) + 0.05

        def placed(losses: Array) -> Array:
            across = left + WIDTH * self.spent / self.spent[-1]
            down = TOP + HEIGHT * (high - np.log(losses)) / (high - low)
            return np.column_stack([across, np.clip(down, TOP, TOP + HEIGHT)])[~np.isnan(losses)]

        yield f'<text x="{left}" y="{TOP - 12}" {STYLE}>{self.title}</text>'
        for name, (lower, _, upper) in self.curves.items():
            band = np.vstack([placed(lower), placed(upper)[::-1]])
            yield f'<polygon points="{points(band)}" fill="{LOOKS[name]}" fill-opacity="0.1"/>'
        for name, (_, median, _) in self.curves.items():
            style = f'fill="none" stroke="{LOOKS[name]}" stroke-width="1.8"'
            yield f'<polyline points="{points(placed(median))}" {style}/>'
        yield from self._axes(left, low, high)

    def _axes(self, left: float, low: float, high: float) -> Iterator[str]:
        bottom = TOP + HEIGHT
        corner = f"{left},{TOP} {left},{bottom} {left + WIDTH},{bottom}"
        yield f'<polyline points="{corner}" fill="none" stroke="#222222"/>'
        for value in ticks(np.exp(low), np.exp(high)):
            down = TOP + HEIGHT * (high - np.log(value)) / (high - low)
            yield f'<text x="{left - 5}" y="{down + 4:.1f}" text-anchor="end" {STYLE}>{value:g}</text>'
            yield f'<line x1="{left - 3}" x2="{left}" y1="{down:.1f}" y2="{down:.1f}" stroke="#222222"/>'
        end = f'x="{left + WIDTH}" y="{bottom + 16}" text-anchor="end"'
        yield f"<text {end} {STYLE}>{self.spent[-1]:g} {self.unit}</text>"
        if self.reference is not None:
            down = TOP + HEIGHT * (high - np.log(self.reference)) / (high - low)
            line = f'x1="{left}" x2="{left + WIDTH}" y1="{down:.1f}" y2="{down:.1f}"'
            yield f'<line {line} stroke="#222222" stroke-dasharray="5 4"/>'
            yield f'<text x="{left + WIDTH}" y="{TOP + 12}" text-anchor="end" {STYLE}>- - {self.meaning}</text>'


def points(places: Array) -> str:
    """Return places, (k, 2), as SVG writes them."""
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in places)


def ticks(low: float, high: float) -> list[float]:
    """Return round values between two, on a logarithmic axis."""
    decades = range(int(np.floor(np.log10(low))), int(np.ceil(np.log10(high))) + 1)
    some = (digit * 10.0**decade for decade in decades for digit in (1, 2, 3, 5, 7))
    return [float(f"{value:.3g}") for value in some if low <= value <= high]


def by_trials(title: str, samples: Mapping[str, Any], training: str) -> Panel:
    """Return the panel of a training; a grid that has come to its end keeps its best."""
    runs = {name: samples[column][training] for name, column in COLUMNS.items()}
    count = max(len(run) for some in runs.values() for run in some)
    curves = {name: quartiles([reached(run, count) for run in some]) for name, some in runs.items()}
    return Panel(title, "trials", np.arange(1, count + 1, dtype=float), curves)


def reached(run: Sequence[float], count: int) -> Array:
    """Return the best so far after each of so many trials: (count,)."""
    found = np.minimum.accumulate(np.asarray(run, float))
    return np.pad(found, (0, count - len(found)), mode="edge")


def by_epochs(title: str, samples: Mapping[str, Any]) -> Panel:
    """Return the panel of the networks: a third of the epochs that Random has, and the best that it finds with all."""
    curves = samples["curves"]
    whole = curves["Random"][0][-1][0]
    spent = np.linspace(0, whole / PART, 121)
    found = {name: quartiles([at(run, spent) for run in runs]) for name, runs in curves.items()}
    best = float(np.median([min(loss for _, loss in run) for run in curves["Random"]]))
    return Panel(title, "epochs", spent, found, best, f"Random after {whole} epochs")


def at(run: Sequence[tuple[int, float]], spent: Array) -> Array:
    """Return the best so far, of trials that ended after epochs with a loss, at some numbers of epochs."""
    ends, losses = np.array(run).T
    best = np.r_[np.nan, np.minimum.accumulate(losses)]
    found: Array = best[np.searchsorted(ends, spent, side="right")]
    return found


def quartiles(curves: Sequence[Array]) -> Array:
    """Return the quartiles over the seeds, (3, k); NaN where one has nothing yet."""
    found: Array = np.percentile(np.array(curves), QUARTILES, axis=0)
    return found


def legend() -> Iterator[str]:
    """Yield which colour is which search."""
    left = LEFT
    for name, colour in LOOKS.items():
        yield f'<line x1="{left}" x2="{left + 22}" y1="18" y2="18" stroke="{colour}" stroke-width="3"/>'
        yield f'<text x="{left + 28}" y="22" {STYLE}>{name}</text>'
        left += 54 + 7 * len(name)


def draw(samples: Mapping[str, Any]) -> str:
    """Return the picture of what was measured."""
    panels = (
        by_trials("XGBoost, breast cancer: log loss", samples["learning"], BOOSTED),
        by_trials("Linear Learner, breast cancer: log loss", samples["learning"], LINEAR),
        by_epochs("Networks, digits: log loss", samples["epochs"]),
    )
    width, height = LEFT + len(panels) * (WIDTH + GAP) - GAP + 16, TOP + HEIGHT + BELOW // 2 + 8
    shapes = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}">',
        '<rect width="100%" height="100%" fill="#ffffff"/>',
        *legend(),
    ]
    for number, panel in enumerate(panels):
        shapes += panel.draw(LEFT + number * (WIDTH + GAP))
    return "\n".join([*shapes, "</svg>\n"])


if __name__ == "__main__":
    newest = max((ROOT / "benchmarks" / "results").glob("*-tuning.json"))
    PICTURE.write_text(draw(json.loads(newest.read_text())["samples"]))
