"""What every built-in algorithm must do, as a test suite over its declaration. Needs pytest.

A new algorithm passes it before its author writes a test::

    class TestConformance(AlgorithmConformance):
        module = "wildsage.algorithms.kmeans"
"""

import json
import re
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from numpy.typing import NDArray

from wildsage.formats import protobuf
from wildsage.formats.content_types import CSV, JSON, JSON_LINES, RECORDIO_PROTOBUF
from wildsage.formats.recordio import read_records
from wildsage.formats.recordio_protobuf import write_dense
from wildsage.toolkit.errors import UserError
from wildsage.toolkit.hyperparameters import Categorical, Text
from wildsage.toolkit.local import Files, LocalContainer, LocalEndpoint
from wildsage.toolkit.resolve import load_spec
from wildsage.toolkit.spec import AlgorithmSpec, InputMode

_LABELLED, _UNLABELLED = "text/csv;label_size=1", "text/csv;label_size=0"


def sample_rows(seed: int = 0) -> NDArray[np.float32]:
    """Three groups of rows, a label of 0 or 1 in front: (90, 5)."""
    rng = np.random.default_rng(seed)
    group = np.repeat([0, 1, 2], 30)
    features = rng.normal(group[:, np.newaxis] * 5, 1, (90, 4))
    return np.column_stack([group == 2, features]).astype(np.float32)


def to_csv(matrix: NDArray[np.float32]) -> bytes:
    """Write rows as a client would."""
    return b"".join(",".join(map(repr, row)).encode() + b"\n" for row in matrix.tolist())


class AlgorithmConformance:
    """Subclass it and set `module`."""

    module: ClassVar[str]

    @pytest.fixture(scope="class")
    @classmethod
    def spec(cls) -> AlgorithmSpec:
        """Return the declaration."""
        return load_spec(cls.module)

    @pytest.fixture(scope="class")
    @classmethod
    def trained(
        cls, spec: AlgorithmSpec, tmp_path_factory: pytest.TempPathFactory
    ) -> tuple[LocalContainer, str]:
        """Train once on the sample; returns the container and its log."""
        container = LocalContainer(cls.module, tmp_path_factory.mktemp("ml"))
        container.prepare(spec.sample.hyperparameters, cls._channels(spec))
        done = container.train()
        assert done.returncode == 0, done.stdout
        return container, done.stdout

    @pytest.fixture(scope="class")
    @classmethod
    def endpoint(cls, trained: tuple[LocalContainer, str]) -> Iterator[LocalEndpoint]:
        """Serve the trained model from another process."""
        with trained[0].serve() as endpoint:
            yield endpoint

    @staticmethod
    def _channels(spec: AlgorithmSpec) -> dict[str, Files]:
        labelled = spec.sample.label_column
        rows = sample_rows()
        body = to_csv(rows if labelled else rows[:, 1:])
        names = [channel.name for channel in spec.channels if CSV in channel.content_types]
        return {name: Files(_LABELLED if labelled else _UNLABELLED, {"part-0.csv": body}) for name in names}

    @pytest.mark.parametrize("mode", ["FastFile", "Pipe"])
    def test_every_declared_mode_trains(self, spec: AlgorithmSpec, tmp_path: Path, mode: InputMode) -> None:
        """The channels may come in any mode that the declaration names; any other is the user's mistake."""
        container = LocalContainer(self.module, tmp_path)
        channels = self._channels(spec)
        container.prepare(spec.sample.hyperparameters, channels, mode=mode)
        with container.piped(channels) if mode == "Pipe" else nullcontext():
            code, log = container.train_here()
        if all(mode in spec.channel(name).modes for name in channels):
            assert code == 0, log
            assert any(container.paths.model.iterdir())
        else:
            assert code == UserError.exit_code
            assert f"has the input mode {mode}; supported: " in container.failure

    # The declaration.

    def test_names_are_unique(self, spec: AlgorithmSpec) -> None:
        """No name or alias means two things."""
        names = [name for item in spec.hyperparameters for name in (item.name, *item.aliases)]
        assert len(names) == len(set(names))

    def test_defaults_are_valid(self, spec: AlgorithmSpec) -> None:
        """A default, sent as text, is accepted and means itself."""
        for item in spec.hyperparameters:
            if item.default is not None:
                text = item.default if isinstance(item.default, str) else json.dumps(item.default)
                assert item.parse(text) == item.default, item.name

    def test_the_sample_is_valid(self, spec: AlgorithmSpec) -> None:
        """The sample passes the declaration's own validation."""
        assert spec.validate(spec.sample.hyperparameters)

    def test_documented_hyperparameters_have_a_description(self, spec: AlgorithmSpec) -> None:
        """The documentation is generated from it."""
        assert [item.name for item in spec.hyperparameters if not item.hidden and not item.description] == []

    def test_unknown_hyperparameters_are_rejected(self, spec: AlgorithmSpec) -> None:
        """In the words of AWS."""
        with pytest.raises(UserError, match=r"Additional hyperparameters are not allowed \('colour' was"):
            spec.validate({**spec.sample.hyperparameters, "colour": "blue"})

    def test_nonsense_values_are_rejected(self, spec: AlgorithmSpec) -> None:
        """Every declaration but free text has a rule."""
        for item in spec.hyperparameters:
            if not isinstance(item, Text):
                with pytest.raises(UserError, match=re.escape(f"for the '{item.name}' hyperparameter")):
                    spec.validate({**spec.sample.hyperparameters, item.name: "no such value"})

    def test_required_hyperparameters_are_required(self, spec: AlgorithmSpec) -> None:
        """Each by itself."""
        for item in spec.hyperparameters:
            if item.required:
                rest = {k: v for k, v in spec.sample.hyperparameters.items() if k != item.name}
                with pytest.raises(UserError, match="No value"):
                    spec.validate(rest)

    def test_tunable_ranges_are_within_the_declaration(self, spec: AlgorithmSpec) -> None:
        """A tuning job cannot propose what training refuses."""
        for item in spec.hyperparameters:
            if item.tunable is not None and not isinstance(item, Categorical):
                for bound in (item.tunable.low, item.tunable.high):
                    assert item.parse(str(bound)) == bound, item.name

    # Training.

    def test_training_leaves_a_model_and_no_failure(self, trained: tuple[LocalContainer, str]) -> None:
        """Exit code 0 means an artifact."""
        container, _ = trained
        assert any(file.stat().st_size for file in container.paths.model.iterdir())
        assert container.failure == ""

    def test_the_log_holds_metrics(self, spec: AlgorithmSpec, trained: tuple[LocalContainer, str]) -> None:
        """At least one declared metric is found by its own expression, as a number."""
        numbers = [
            float(found)
            for metric in spec.metrics
            for line in trained[1].splitlines()
            for found in re.findall(metric.pattern, line)
        ]
        assert numbers

    def test_equal_input_gives_an_equal_model(
        self, spec: AlgorithmSpec, trained: tuple[LocalContainer, str], tmp_path: Path
    ) -> None:
        """Byte for byte."""
        again = LocalContainer(self.module, tmp_path)
        again.prepare(spec.sample.hyperparameters, self._channels(spec))
        assert again.train().returncode == 0
        for file in again.paths.model.iterdir():
            assert file.read_bytes() == (trained[0].paths.model / file.name).read_bytes()

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
        container = LocalContainer(self.module, tmp_path)
        bad = Files(_LABELLED if spec.sample.label_column else _UNLABELLED, {"part-0.csv": content})
        container.prepare(spec.sample.hyperparameters, {"train": bad})
        code, log = container.train_here()
        assert code == 2, log
        assert "Unable to read data channel 'train'" in container.failure
        assert reason in container.failure

    # Serving.

    def test_the_artifact_is_served_by_another_process(self, endpoint: LocalEndpoint) -> None:
        """Health, execution parameters, and paths outside the contract."""
        assert endpoint.request("GET", "/ping").status == 200
        parameters = json.loads(endpoint.request("GET", "/execution-parameters").body)
        assert parameters["MaxPayloadInMB"] > 0
        assert endpoint.request("GET", "/elsewhere").status == 404

    def test_every_pair_of_types_gives_the_same_numbers(
        self, spec: AlgorithmSpec, endpoint: LocalEndpoint
    ) -> None:
        """All request types times all response types, equal to 1e-5."""
        rows = sample_rows(seed=1)[::9, 1:]
        wanted: list[float] | None = None
        for content_type, body in _bodies(rows).items():
            if content_type not in spec.request_types:
                continue
            for accept in spec.response_types:
                answer = endpoint.invoke(body, content_type, accept)
                assert answer.status == 200, answer.body
                assert answer.headers["content-type"] == accept
                numbers = _numbers(answer.body, accept)
                wanted = wanted or numbers
                assert len(numbers) >= len(rows)
                np.testing.assert_allclose(numbers, wanted, rtol=1e-5, atol=1e-6)

    def test_the_default_answer_is_the_first_response_type(
        self, spec: AlgorithmSpec, endpoint: LocalEndpoint
    ) -> None:
        """For no Accept header and for any."""
        body = to_csv(sample_rows()[:2, 1:])
        for accept in ("", "*/*"):
            assert endpoint.invoke(body, CSV, accept).headers["content-type"] == spec.response_types[0]

    def test_bad_requests_have_the_status_of_the_contract(self, endpoint: LocalEndpoint) -> None:
        """415 content type, 406 Accept, 400 payload; the server lives on."""
        good = to_csv(sample_rows()[:1, 1:])
        assert endpoint.invoke(good, "image/png").status == 415
        assert endpoint.invoke(good, CSV, "image/png").status == 406
        for bad in (b"x,y,z,w\n", b"1,2,3,4,5,6,7\n", b"1,2,3,4\n1,2\n"):
            answer = endpoint.invoke(bad, CSV)
            assert answer.status in {400, 415}, answer.body
            assert answer.body
        assert endpoint.invoke(good, CSV).status == 200


def _bodies(rows: NDArray[np.float32]) -> dict[str, bytes]:
    instances = [{"features": row} for row in rows.tolist()]
    return {
        CSV: to_csv(rows),
        JSON: json.dumps({"instances": instances}).encode(),
        JSON_LINES: "\n".join(map(json.dumps, instances)).encode(),
        RECORDIO_PROTOBUF: write_dense(rows),
    }


def _numbers(body: bytes, media_type: str) -> list[float]:
    """All numbers of an answer in order."""
    if media_type == RECORDIO_PROTOBUF:
        tensors = [
            tensor for part in read_records(body) for tensor in protobuf.decode_record(part).label.values()
        ]
        return [float(v) for tensor in tensors if isinstance(tensor, protobuf.Tensor) for v in tensor.values]
    if media_type == CSV:
        return [float(text) for text in body.decode().replace("\n", ",").split(",") if text]
    if media_type == JSON_LINES:
        return _leaves([json.loads(line) for line in body.splitlines()])
    return _leaves(json.loads(body))


def _leaves(value: Any) -> list[float]:
    if isinstance(value, dict):
        return [leaf for item in value.values() for leaf in _leaves(item)]
    if isinstance(value, list):
        return [leaf for item in value for leaf in _leaves(item)]
    return [float(value)]
