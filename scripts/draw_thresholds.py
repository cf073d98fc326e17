"""Draw the ROC of Linear Learner with the thresholds that criteria choose, as ``docs/images/linear_learner.svg``.

The rows come with scikit-learn.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_breast_cancer

from wildsage.algorithms.linear_learner import LinearLearner
from wildsage.algorithms.linear_learner.calibration import Cuts

PICTURE = Path(__file__).parents[1] / "docs" / "images" / "linear_learner.svg"
SIZE, LEFT, TOP, BOTTOM = 380, 50, 20, 50
STYLE = 'font-family="sans-serif" font-size="13" fill="#222222"'
FEATURES = slice(0, 2)
"""Mean radius and texture alone: with all thirty the curve is a corner."""
CRITERIA = (
    ("accuracy", "#0072b2", "accuracy", {}),
    ("precision at a recall of 0.95", "#d55e00", "precision_at_target_recall", {"target_recall": 0.95}),
    ("recall at a precision of 0.97", "#009e73", "recall_at_target_precision", {"target_precision": 0.97}),
)
"""What is written, its colour, the criterion and its target."""


def placed(across: float, up: float) -> tuple[float, float]:
    """Return where a point of the unit square is drawn."""
    return LEFT + SIZE * across, TOP + SIZE * (1 - up)


def circle(x: float, y: float, radius: float, colour: str) -> str:
    """Return a circle of SVG."""
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius}" fill="{colour}"/>'


def curve(cuts: Cuts) -> str:
    """Return the ROC as a line of SVG."""
    places = (placed(x, y) for x, y in zip(cuts.alarms / cuts.negatives, cuts.recall(), strict=True))
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    return f'<polyline points="{points}" fill="none" stroke="#222222" stroke-width="1.5"/>'


def split() -> tuple[tuple[NDArray[np.float32], NDArray[np.float32]], ...]:
    """Return rows and labels (1: malignant) to train with, and those that thresholds are chosen by."""
    rows, benign = load_breast_cancer(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(rows))
    rows, labels = rows[order, FEATURES].astype(np.float32), (1 - benign[order]).astype(np.float32)
    half = len(rows) // 2
    return (rows[:half], labels[:half]), (rows[half:], labels[half:])


def draw() -> str:
    """Return the picture. Equal versions of numpy and scikit-learn draw an equal one."""
    train, validation = split()
    width, height, middle = LEFT + SIZE + 20, TOP + SIZE + BOTTOM, TOP + SIZE / 2
    turned = f'x="18" y="{middle}" text-anchor="middle" transform="rotate(-90 18 {middle})"'
    shapes = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}">',
        '<rect width="100%" height="100%" fill="#ffffff"/>',
        f'<rect x="{LEFT}" y="{TOP}" width="{SIZE}" height="{SIZE}" fill="none" stroke="#999999"/>',
        f'<text x="{LEFT + SIZE / 2}" y="{height - 15}" text-anchor="middle" {STYLE}>Benign taken for malignant</text>',
        f"<text {turned} {STYLE}>Malignant found (recall)</text>",
    ]
    marks = []
    for number, (label, colour, criterion, target) in enumerate(CRITERIA):
        model = LinearLearner(
            predictor_type="binary_classifier", binary_classifier_model_selection_criteria=criterion, **target
        ).fit(*train, validation=validation)
        answer = model.predict(validation[0])
        if number == 0:
            shapes.append(curve(Cuts.of(answer["score"], validation[1])))
        found = answer["predicted_label"] == 1
        threshold = (answer["score"][found].min() + answer["score"][~found].max()) / 2
        recall, alarms = (float(np.mean(found[validation[1] == side])) for side in (1, 0))
        marks.append(circle(*placed(alarms, recall), 6, colour))
        low = TOP + SIZE - 60 + 20 * number
        marks.append(circle(LEFT + 18, low - 4, 5, colour))
        text = f"{label}: threshold {threshold:.2f}, recall {recall:.2f}"
        marks.append(f'<text x="{LEFT + 30}" y="{low}" {STYLE}>{text}</text>')
    return "\n".join([*shapes, *marks, "</svg>\n"])


if __name__ == "__main__":
    PICTURE.write_text(draw())
