from wildsage.images.frameworks import environment_names, framework_repositories
from wildsage.images.table import render_table


def test_every_image_and_environment_has_a_row() -> None:
    page = render_table()
    rows = [line for line in page.splitlines() if line.startswith("| `")]
    assert {row.split("`")[1] for row in rows} == {*framework_repositories(), *environment_names()}


def test_a_row_says_what_is_promised_and_what_runs() -> None:
    (row,) = [line for line in render_table().splitlines() if "`0.23-1`" in line]
    assert row == (
        "| `sagemaker-scikit-learn` | `0.23-1`, `0.23-1-cpu-py3` | scikit-learn 0.23.2, Python 3.7 | `sklearn-1.1` |"
        " scikit-learn 1.1.3 |"
    )


def test_tags_without_end_are_shown_by_one_of_them() -> None:
    assert "| `pytorch-training` | like `2.5.1-cpu-py311` | torch 2.5.1, Python 3.11 |" in render_table()
