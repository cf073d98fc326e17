"""An algorithm that does nothing but read its channel: what any algorithm does first, for every format."""

from wildsage.formats.codecs import CODECS
from wildsage.toolkit.errors import UserError
from wildsage.toolkit.spec import AlgorithmSpec, Channel, Sample
from wildsage.toolkit.training import TrainingRun

SPEC = AlgorithmSpec(
    name="reading", module="tests.toolkit.reading", title="Reading", images=(), log_name="AWS/Reading", metrics=(),
    request_types=("text/csv",), response_types=("text/csv",), sample=Sample({}),
    train="tests.toolkit.reading:train", serve="tests.toolkit.reading:load",
    channels=(
        Channel(name="train", content_types=tuple(codec.media_type for codec in CODECS), modes=("File", "FastFile", "Pipe")),
    ),
    hyperparameters=(),
)  # fmt: skip


def train(run: TrainingRun) -> None:
    for rows in run.required_channel("train").rows():
        print(len(rows.labels), "rows")


def load(_folder):
    raise UserError("there is nothing to serve")
