"""What holds for an algorithm's training: modes, metrics, repetition, malformed data."""

import math
import re
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest

from wildsage.formats.content_types import CSV, LIBSVM, PARQUET, RECORDIO_PROTOBUF
from wildsage.formats.recordio_frames import frame
from wildsage.formats.recordio_protobuf import write_dense
from wildsage.toolkit.conformance.declaration import estimator_of, objectives_of
from wildsage.toolkit.conformance.samples import label_count, sample_arrays, sample_channels
from wildsage.toolkit.conformance.trained import TrainedAlgorithm
from wildsage.toolkit.errors import UserError
from wildsage.toolkit.local import Files, LocalContainer
from wildsage.toolkit.spec import AlgorithmSpec, InputMode

_MALFORMED = [
    pytest.param(RECORDIO_PROTOBUF, b"1,2\n3,4\n", ", byte 0: 0x0A322C31", id="no records"),
    pytest.param(RECORDIO_PROTOBUF, frame(b"\x0a\x7f"), ", byte 0: not a protobuf record", id="no protobuf"),
    pytest.param(
        RECORDIO_PROTOBUF,
        write_dense(np.array([[1], [np.inf]], np.float32), np.ones(2, np.float32)),
        ", row 2: feature 1 is inf",
        id="infinite record",
    ),
    pytest.param(CSV, b"1,2,3\n1,2,-inf\n", ", row 2: feature ", id="infinite field"),
    pytest.param(CSV, b"\xff\xfe1\0,\0002\0", ", byte 0: the byte order mark ff fe", id="UTF-16"),
    pytest.param(LIBSVM, b"1 1:2\n1 2\n", ", line 2: '2' is not of the form", id="no pair"),
    pytest.param(LIBSVM, b"1 2147483648:2\n", ", line 1: '2147483648' is not a column index", id="wide"),
    pytest.param(PARQUET, b"PAR1", ": not a Parquet file", id="no Parquet"),
]


class TrainingConformance(TrainedAlgorithm):
    """From the channels to the artifact and the log."""

    @pytest.mark.parametrize("mode", ["FastFile", "Pipe"])
    def test_every_declared_mode_trains(self, spec: AlgorithmSpec, tmp_path: Path, mode: InputMode) -> None:
        """The channels may come in any mode that the declaration names; any other is the user's mistake."""
        container = LocalContainer(self.module, tmp_path)
        channels = sample_channels(spec)
        container.prepare(spec.sample.hyperparameters, channels, mode=mode)
        with container.piped(channels) if mode == "Pipe" else nullcontext():
            code, log = container.train_here()
        if all(mode in spec.channel(name).modes for name in channels):
            assert code == 0, log
            assert any(container.paths.model.iterdir())
        else:
            assert code == UserError.exit_code
            assert f"has the input mode {mode}; supported: " in container.failure

    def test_training_leaves_a_model_and_no_failure(self, trained: tuple[LocalContainer, str]) -> None:
        """Exit code 0 means an artifact."""
        container, _ = trained
        assert any(file.stat().st_size for file in container.paths.model.iterdir())
        assert container.failure == ""

    def test_the_log_shows_each_metric(
        self, spec: AlgorithmSpec, trained: tuple[LocalContainer, str], tmp_path: Path
    ) -> None:
        """Each declared metric is found in a line of the samples' logs by its own expression, as a number."""
        lines = trained[1].splitlines()
        given = sample_channels(spec)
        # Without the others, some algorithms say of the rows that they learn from what they say of held-out ones.
        least = {name: files for name, files in given.items() if spec.channel(name).required}
        jobs = [(job, given) for job in spec.sample.more]
        if least != given:
            jobs += [(job, least) for job in (spec.sample.hyperparameters, *spec.sample.more)]
        for number, (hyperparameters, channels) in enumerate(jobs):
            container = LocalContainer(self.module, tmp_path / str(number))
            container.prepare(hyperparameters, channels)
            code, log = container.train_here(OMP_NUM_THREADS="1")
            assert code == 0, log
            lines += log.splitlines()
        for metric in spec.metrics:
            values = [float(found[1]) for line in lines if (found := re.search(metric.pattern, line))]
            assert values, (
                f"no line shows {metric.name}, searched by {metric.pattern}; the log has"
                f" {', '.join(_qualities(lines)) or 'no line of MetricLog.quality'}."
                " Give line and pattern one name; if other hyperparameters bring the line, add them to Sample.more"
            )
            assert not any(map(math.isnan, values)), f"{metric.name}: {values}"

    def test_the_log_shows_each_objective(self, spec: AlgorithmSpec, tmp_path: Path) -> None:
        """Where a tuning job goes by it, whatever else its training jobs measure; if not, the user knows."""
        container = LocalContainer(self.module, tmp_path)
        for metric, job in objectives_of(spec):
            container.prepare(job, sample_channels(spec))
            code, log = container.train_here(OMP_NUM_THREADS="1")
            shown = any(re.search(metric.pattern, line) for line in log.splitlines())
            assert (code, shown) in {(0, True), (UserError.exit_code, False)}, f"{metric.name}: {log}"

    def test_equal_input_gives_an_equal_model(
        self, spec: AlgorithmSpec, trained: tuple[LocalContainer, str], tmp_path: Path
    ) -> None:
        """Byte for byte."""
        again = LocalContainer(self.module, tmp_path)
        again.prepare(spec.sample.hyperparameters, sample_channels(spec))
        assert again.train().returncode == 0
        assert files_of(again.paths.model) == files_of(trained[0].paths.model)

    def test_the_class_trains_the_same_model(
        self, spec: AlgorithmSpec, trained: tuple[LocalContainer, str], tmp_path: Path
    ) -> None:
        """On the same numbers as arrays, and saves it as the job does."""
        channels = sample_arrays(spec)
        features, labels = channels.pop("train")
        estimator = estimator_of(self.module)(**spec.sample.hyperparameters)
        estimator.fit(features, labels, **channels).save(tmp_path)
        assert files_of(tmp_path) == files_of(trained[0].paths.model)

    # Data that cannot be read.

    @pytest.mark.parametrize(
        ("content", "reason"),
        [
            (b"1,2,3,4,5\n1,2,3\n", "train/part-0.csv, line 2"),
            (b"1,2,3,4,5\n1,2,x,4,5\n", "train/part-0.csv, line 2"),
            (b"a,b,c,d,e\n1,2,3,4,5\n", "header"),
        ],
    )
    def test_malformed_data_is_a_client_error(
        self, spec: AlgorithmSpec, tmp_path: Path, content: bytes, reason: str
    ) -> None:
        """Exit code 2, and a reason that names the channel, the file and the line."""
        channel = spec.channel("train")
        if CSV not in channel.content_types:
            pytest.skip(f"does not read {CSV}")
        media_type = f"{CSV};label_size={label_count(spec, channel)}"
        text = self._unreadable(spec, tmp_path, Files(media_type, {"part-0.csv": content}))
        assert "Unable to read data channel 'train'" in text
        assert reason in text

    @pytest.mark.parametrize(("media_type", "content", "reason"), _MALFORMED)
    def test_malformed_data_of_every_type_is_a_client_error(
        self, spec: AlgorithmSpec, tmp_path: Path, media_type: str, content: bytes, reason: str
    ) -> None:
        """As above, for each type that the channel declares."""
        if media_type not in spec.channel("train").content_types:
            pytest.skip(f"does not read {media_type}")
        text = self._unreadable(spec, tmp_path, Files(media_type, {"part-0": content}))
        assert "Unable to read data channel 'train'" in text
        assert f"train/part-0{reason}" in text

    def test_data_without_rows_is_a_client_error(self, spec: AlgorithmSpec, tmp_path: Path) -> None:
        """An object without content is no malformed one; a channel of them holds nothing to train on."""
        media_type = sample_channels(spec)["train"].content_type or ""
        blank = b"\n\n" if media_type.startswith(CSV) else b""
        text = self._unreadable(spec, tmp_path, Files(media_type, {"a": b"", "b": blank}))
        assert text == "Unable to read data channel 'train'. The files hold no rows."

    def _unreadable(self, spec: AlgorithmSpec, folder: Path, train: Files) -> str:
        container = LocalContainer(self.module, folder)
        container.prepare(spec.sample.hyperparameters, {**sample_channels(spec), "train": train})
        code, log = container.train_here()
        assert code == UserError.exit_code, log
        return container.failure


def _qualities(lines: list[str]) -> list[str]:
    """Return what quality lines speak of: ``test accuracy <score>``, each once."""
    found = (re.search(r"#quality_metric: .*?(\w+ \S+ <\w+>)=", line) for line in lines)
    return sorted({one[1] for one in found if one})


def files_of(folder: Path) -> dict[str, bytes]:
    """Return the files below a folder: contents by relative path."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
