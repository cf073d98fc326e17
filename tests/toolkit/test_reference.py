from wildsage.formats.content_types import CSV, JSON, LIBSVM, PARQUET, RECORDIO_PROTOBUF
from wildsage.toolkit.hyperparameters import Boolean, Categorical, Continuous, Integer, Tunable
from wildsage.toolkit.reference import CLOSING, OPENING, fill, new_page, reference
from wildsage.toolkit.spec import AlgorithmSpec, Channel, Image, Metric, Sample

SPEC = AlgorithmSpec(
    name="toy",
    module="toy",
    title="Toy",
    log_name="Toy",
    images=(Image("toy"), Image("old-toy", ("0.1",))),
    train="toy:train",
    serve="toy:serve",
    requires={"toybox": "pip install toybox"},
    saves_checkpoints=True,
    request_types=(CSV, JSON, LIBSVM, PARQUET, RECORDIO_PROTOBUF),
    response_types=(JSON, CSV, RECORDIO_PROTOBUF),
    response_root="scores",
    answer={"score": 0.5, "near": [1.0, 2.0]},
    sample=Sample({"k": "2"}),
    channels=(
        Channel(name="train", required=True, content_types=(CSV, LIBSVM), label_sizes=(0, 1), description="A"),
        Channel(name="model", content_types=(RECORDIO_PROTOBUF,), modes=("File",), description="B"),
    ),
    metrics=(Metric("test:a", r"test a(?:#|\t)(\S+)", "Maximize"), Metric("train:b", "b=(.)")),
    hyperparameters=(
        Continuous(name="rate", aliases=("eta",), low=0, library_default="0.3", tunable=Tunable(0.1, 1), description="R"),
        Integer(name="k", low=1, required=True, description="Groups"),
        Categorical(name="kind", choices=("a", "b"), default="a", tunable=Tunable(), description="K"),
        Boolean(name="dense", hidden=True, default=True),
        Boolean(name="fast", default=False, tunable=Tunable(), description="F"),
    ),
)  # fmt: skip


def lines_of(page, word):
    return [line for line in page.splitlines() if word in line]


def test_everything_declared_is_in_the_tables():
    page = reference(SPEC)
    assert "| `k` | an integer greater than or equal to 1 | required |  | Groups |" in page
    assert (
        "| `rate` or `eta` | a number greater than or equal to 0 | 0.3 | 0.1 to 1, Auto | R |"
        in page.splitlines()
    )
    assert "| `kind` | one of the following: 'a', 'b' | `a` | a, b | K |" in page
    assert "| `fast` | one of the following: 'true', 'false' | `false` | yes | F |" in page
    assert page.index("| `k` |") < page.index("| `rate`")
    assert "tuning jobs send them: `dense`." in page
    assert (
        "| `train` (required) | `text/csv`, `text/libsvm` | `label_size=0` or `label_size=1` | File, FastFile | A |"
        in page
    )
    assert "| `model` | `application/x-recordio-protobuf` |  | File | B |" in page
    assert "| `test:a` | Maximize | `test a(?:#\\|\\t)(\\S+)` |" in page
    assert "| `train:b` | no | `b=(.)` |" in page


def test_requests_and_answers_have_examples():
    page = reference(SPEC)
    assert '| `application/json` | `{"instances": [{"features": [1.5, 2.0, 0.5]}]}` |' in page
    assert "| `text/libsvm` | `0 0:1.5 1:2.0 2:0.5` |" in page
    assert "| `application/x-parquet` | a file with a column for each feature |" in page
    assert '| `application/json` | `{"scores": [{"score": 0.5, "near": [1.0, 2.0]}]}` |' in page
    assert "| `text/csv` | `0.5,1.0,2.0` |" in page
    assert "a record with the labels `score` (1), `near` (2): float32" in page
    assert "Without an Accept header: `application/json`." in page


def test_images_and_what_is_needed():
    page = reference(SPEC)
    assert lines_of(page, "tags `:1` and `:latest`") == lines_of(page, "- `toy`,")
    assert lines_of(page, "tags `:0.1`") == lines_of(page, "- `old-toy`,")
    assert "- needs the Python package `toybox`: `pip install toybox`" in page
    assert "- checkpoints are written and taken up again" in page


def test_prose_around_the_block_stays():
    page = f"# Toy\n\nBefore.\n\n{OPENING}\nold\n{CLOSING}\n\nAfter.\n"
    filled = fill(page, "\nnew\n\n")
    assert filled == f"# Toy\n\nBefore.\n\n{OPENING}\n\nnew\n\n{CLOSING}\n\nAfter.\n"
    assert fill(filled, "\nnew\n\n") == filled


def test_a_page_begins_with_a_line_where_the_block_goes():
    page = "# Toy\n\n<!-- generated: all -->\n\n## Prose\n"
    assert fill(page, "new\n") == f"# Toy\n\n<!-- generated: all -->\nnew\n{CLOSING}\n\n## Prose\n"
    assert fill(new_page(SPEC), "new\n") == f"# Toy\n\n{OPENING}\nnew\n{CLOSING}\n"
    assert fill("# Toy\n\nProse.\n", "new\n") == f"# Toy\n\nProse.\n\n{OPENING}\nnew\n{CLOSING}\n"
