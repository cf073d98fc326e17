"""What holds for an algorithm's answers: formats, numbers, refusals."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from wildsage.formats.content_types import CSV, JSON, JSON_LINES, RECORDIO_PROTOBUF, ContentType
from wildsage.formats.protobuf import Record, Tensor, decode_record, encode_record
from wildsage.formats.recordio import frame_record, read_records
from wildsage.toolkit.conformance.declaration import estimator_of
from wildsage.toolkit.conformance.samples import (
    dense_bodies,
    read_numbers,
    request,
    sample_rows,
    sparse_bodies,
)
from wildsage.toolkit.conformance.trained import TrainedAlgorithm
from wildsage.toolkit.local import LocalContainer, LocalEndpoint
from wildsage.toolkit.spec import AlgorithmSpec


def asked_rows() -> NDArray[np.float32]:
    """Rows of all groups that training has not seen: (10, 4)."""
    return sample_rows(seed=1)[::9, 1:]


class ServingConformance(TrainedAlgorithm):
    """From a request to the answer, over HTTP."""

    def test_the_artifact_is_served_by_another_process(self, endpoint: LocalEndpoint) -> None:
        """Health, execution parameters, and paths outside the contract."""
        assert endpoint.request("GET", "/ping").status == 200
        parameters = json.loads(endpoint.request("GET", "/execution-parameters").body)
        assert parameters["MaxPayloadInMB"] > 0
        assert endpoint.request("GET", "/elsewhere").status == 404

    # Numbers.

    def test_every_pair_of_types_gives_the_same_numbers(
        self, spec: AlgorithmSpec, endpoint: LocalEndpoint
    ) -> None:
        """All request types, in each of their forms, times all response types: equal to 1e-5."""
        rows = asked_rows()
        # No value is 0, so that the forms that leave zeros out leave out nothing.
        bodies = [*dense_bodies(rows), *sparse_bodies(rows)]
        self._all_equal(spec, endpoint, bodies, len(rows))

    def test_zeros_may_be_left_out(self, spec: AlgorithmSpec, endpoint: LocalEndpoint) -> None:
        """In the generic formats, to which JSON belongs, what is not given is 0."""
        if JSON not in spec.request_types:
            pytest.skip("what is not given may be missing")
        rows = asked_rows()
        rows[::2, 1] = rows[3] = 0
        self._all_equal(spec, endpoint, [*dense_bodies(rows), *sparse_bodies(rows)], len(rows))

    @staticmethod
    def _all_equal(
        spec: AlgorithmSpec, endpoint: LocalEndpoint, bodies: list[tuple[str, bytes]], count: int
    ) -> None:
        wanted: list[float] | None = None
        taken = [
            (name, body)
            for written, body in bodies
            for name in spec.request_types
            if ContentType(name).format == written
        ]
        for content_type, body in taken:
            for accept in spec.response_types:
                numbers = _ask(endpoint, body, content_type, accept)
                wanted = wanted or numbers
                assert len(numbers) >= count
                np.testing.assert_allclose(numbers, wanted, rtol=1e-5, atol=1e-6)

    @pytest.mark.parametrize("scale", [0, 1e-6, 1e6])
    def test_rows_far_from_the_data_have_finite_answers(
        self, spec: AlgorithmSpec, endpoint: LocalEndpoint, scale: float
    ) -> None:
        """No NaN and no infinity, in any type."""
        content_type, body = request(spec, asked_rows() * np.float32(scale))
        for accept in spec.response_types:
            _ask(endpoint, body, content_type, accept)

    def test_the_class_predicts_what_the_endpoint_answers(
        self, spec: AlgorithmSpec, endpoint: LocalEndpoint, trained: tuple[LocalContainer, str]
    ) -> None:
        """Exactly, from the job's model and from a copy that it saves."""
        rows = asked_rows()
        content_type, body = request(spec, rows)
        accept = JSON if JSON in spec.response_types else spec.response_types[0]
        answered = _ask(endpoint, body, content_type, accept)
        columns = estimator_of(self.module).load(trained[0].paths.model).predict(rows)
        assert np.column_stack(list(columns.values())).ravel().tolist() == answered

    def test_a_saved_copy_predicts_the_same(
        self, trained: tuple[LocalContainer, str], tmp_path: Path
    ) -> None:
        """The files of a model are all of it."""
        model = estimator_of(self.module).load(trained[0].paths.model)
        model.save(tmp_path)
        again = estimator_of(self.module).load(tmp_path).predict(asked_rows())
        for name, column in model.predict(asked_rows()).items():
            np.testing.assert_array_equal(again[name], column)

    # Bodies.

    def test_the_declared_answer_is_like_the_real_one(
        self, spec: AlgorithmSpec, endpoint: LocalEndpoint
    ) -> None:
        """The documentation shows the names that an answer has, and which of them are lists."""
        if JSON not in spec.response_types:
            pytest.skip("has no answers with names")
        content_type, body = request(spec, asked_rows()[:1])
        real = json.loads(endpoint.invoke(body, content_type, JSON).body)[spec.response_root][0]
        hint = f"declare an example such as answer={real}"
        assert {name: type(value) for name, value in spec.answer.items()} == {
            name: type(value) for name, value in real.items()
        }, hint

    def test_records_are_answered_with_their_identity(
        self, spec: AlgorithmSpec, endpoint: LocalEndpoint
    ) -> None:
        """In the generic formats, ``uid`` and ``metadata`` of a record come back in the answer's record."""
        if (
            not {JSON, RECORDIO_PROTOBUF} <= {*spec.request_types}
            or RECORDIO_PROTOBUF not in spec.response_types
        ):
            pytest.skip("does not read and write the generic formats")
        rows = asked_rows()
        texts = [(f"row {number}", "{}" if number % 2 else "") for number in range(len(rows))]
        records = [
            Record({"values": Tensor(row)}, uid=uid, metadata=metadata)
            for row, (uid, metadata) in zip(rows, texts, strict=True)
        ]
        body = b"".join(frame_record(encode_record(record)) for record in records)
        answer = endpoint.invoke(body, RECORDIO_PROTOBUF, RECORDIO_PROTOBUF).body
        answered = [decode_record(payload) for payload in read_records(answer)]
        assert [(record.uid, record.metadata) for record in answered] == texts

    def test_the_default_answer_is_the_first_response_type(
        self, spec: AlgorithmSpec, endpoint: LocalEndpoint
    ) -> None:
        """For no Accept header and for any."""
        content_type, body = request(spec, asked_rows()[:2])
        for accept in ("", "*/*"):
            answer = endpoint.invoke(body, content_type, accept)
            assert answer.headers["content-type"] == spec.response_types[0]

    # Refusals.

    def test_bad_requests_have_the_status_of_the_contract(
        self, spec: AlgorithmSpec, endpoint: LocalEndpoint
    ) -> None:
        """415 content type, 406 Accept, 400 payload; the server lives on."""
        content_type, good = request(spec, asked_rows()[:1])
        assert endpoint.invoke(good, "image/png").status == 415
        assert endpoint.invoke(good, content_type, "image/png").status == 406
        too_wide = request(spec, np.ones((1, 7), np.float32))[1]
        for bad in (b"x,y,z,w\n", b"1,2,3,4\n1,2\n", too_wide):
            answer = endpoint.invoke(bad, content_type)
            assert answer.status in {400, 415}, answer.body
            assert answer.body
        assert endpoint.invoke(good, content_type).status == 200

    @pytest.mark.parametrize(
        ("media_type", "body", "reason"),
        [
            pytest.param(JSON, b'{"instances": ' + b"[" * 100_000, b"nested too deeply", id="deep JSON"),
            pytest.param(JSON_LINES, b'{"features": ' + b"[" * 100_000, b"nested too deeply", id="deep line"),
            pytest.param(RECORDIO_PROTOBUF, b"1,2\n3,4\n", b"byte 0: 0x0A322C31", id="no records"),
            pytest.param(CSV, "1,2,3,4\n".encode("utf-16"), b"the byte order mark ff fe", id="UTF-16"),
        ],
    )
    def test_hostile_requests_are_refused_with_the_rule(
        self, spec: AlgorithmSpec, endpoint: LocalEndpoint, media_type: str, body: bytes, reason: bytes
    ) -> None:
        """A text says what is wrong."""
        if media_type not in spec.request_types:
            pytest.skip(f"does not read {media_type}")
        answer = endpoint.invoke(body, media_type)
        assert answer.status in {400, 415}, answer.body
        assert reason in answer.body


def _ask(endpoint: LocalEndpoint, body: bytes, content_type: str, accept: str) -> list[float]:
    answer = endpoint.invoke(body, content_type, accept)
    assert answer.status == 200, answer.body
    assert answer.headers["content-type"] == accept
    numbers = read_numbers(answer.body, accept)
    assert all(map(math.isfinite, numbers)), (
        f"the answer as {accept} holds NaN or infinity: {answer.body[:300]!r}"
    )
    return numbers
