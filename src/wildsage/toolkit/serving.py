"""``serve``: load the model, then answer ``/ping``, ``/invocations`` and ``/execution-parameters``."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from wildsage.toolkit import logs
from wildsage.toolkit.environment import Paths
from wildsage.toolkit.errors import ContainerError, failure_text
from wildsage.toolkit.http import Request, Response, Server
from wildsage.toolkit.logs import LOGGER
from wildsage.toolkit.resolve import check_requirements, resolve
from wildsage.toolkit.spec import AlgorithmSpec

_MEGABYTE = 1 << 20
_DEFAULT_LARGEST_MB = 25
"""What InvokeEndpoint allows today."""
_DEFAULT_BATCH_MB = 6


class RequestError(Exception):
    """A request that cannot be answered.

    Parameters
    ----------
    status
        400 (bad payload), 406 (Accept), 415 (content type), 500.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Predictor(Protocol):
    """A loaded model."""

    def predict(self, body: bytes, content_type: str, accept: str) -> tuple[bytes, str]:
        """Answer one request: the body of the answer and its media type.

        An empty answer becomes 204. Calls never overlap unless the server was given more threads.

        Raises
        ------
        RequestError
            If the request cannot be answered; its text reaches the client.
        """
        ...


@dataclass(frozen=True, slots=True)
class Invocations:
    """The HTTP side of a predictor: paths, headers, status codes."""

    predictor: Predictor
    default_content_type: str
    default_accept: str
    execution_parameters: Mapping[str, int | str]

    def __call__(self, request: Request) -> Response:
        """Answer one request. Every exception ends here as a status code."""
        route = (request.method, request.path)
        if route == ("GET", "/ping"):
            return Response()
        if route == ("GET", "/execution-parameters"):
            return Response(
                body=json.dumps(self.execution_parameters).encode(), content_type="application/json"
            )
        if route != ("POST", "/invocations"):
            return Response(404, f"{request.method} {request.path} is not part of the contract".encode())
        return self._invoke(request)

    def _invoke(self, request: Request) -> Response:
        accept = request.headers.get("accept", "").strip()
        if accept in {"", "*/*"}:
            accept = self.default_accept
        content_type = request.headers.get("content-type") or self.default_content_type
        try:
            body, answered = self.predictor.predict(request.body, content_type, accept)
        except RequestError as error:
            LOGGER.warning("%d %s", error.status, error)
            return Response(error.status, str(error).encode())
        except Exception as error:  # noqa: BLE001 - one bad request must not end the server
            LOGGER.exception("the prediction failed")
            return Response(500, f"{type(error).__name__}: {error}".encode())
        return Response(body=body, content_type=answered) if body else Response(204, content_type=answered)


def execution_parameters(environment: Mapping[str, str]) -> dict[str, int | str]:
    """What a batch transform should use for this container."""
    length = environment.get("MAX_CONTENT_LENGTH")
    return {
        "MaxConcurrentTransforms": int(environment.get("OMP_NUM_THREADS") or os.cpu_count() or 1),
        "BatchStrategy": "MULTI_RECORD",
        "MaxPayloadInMB": int(length) // _MEGABYTE if length else _DEFAULT_BATCH_MB,
    }


def largest_body(environment: Mapping[str, str]) -> int:
    """Bytes of a request that the container accepts: ``MAX_CONTENT_LENGTH``, or the batch transform's limit."""
    if environment.get("MAX_CONTENT_LENGTH"):
        return int(environment["MAX_CONTENT_LENGTH"])
    # 0 means that the transform sets no limit; 100 MB is the largest it may ask for otherwise.
    batch = int(environment.get("SAGEMAKER_MAX_PAYLOAD_IN_MB") or 0)
    if environment.get("SAGEMAKER_BATCH", "").lower() == "true":
        return (batch or 1024) * _MEGABYTE
    return max(batch, _DEFAULT_LARGEST_MB) * _MEGABYTE


def serve(spec: AlgorithmSpec, environment: Mapping[str, str]) -> int:
    """Serve a built-in algorithm until SIGTERM; returns the exit code."""
    logs.configure()
    try:
        check_requirements(spec)
        predictor: Predictor = resolve(spec.serve)(Paths.from_environment(environment).model)
    except ContainerError as error:
        LOGGER.error("%s: %s", type(error).__name__, failure_text(error))
        return error.exit_code
    LOGGER.info("%s: the model is loaded", spec.title)
    accept = environment.get("SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT") or spec.response_types[0]
    application = Invocations(predictor, spec.request_types[0], accept, execution_parameters(environment))
    run_application(application, environment, inline_bytes=spec.inline_bytes)
    return 0


def run_application(
    application: Invocations, environment: Mapping[str, str], *, inline_bytes: int = 0, threads: int = 1
) -> None:
    """Listen and answer until SIGTERM.

    Parameters
    ----------
    inline_bytes
        Invocations up to this size are answered on the loop's own thread; 0: none (user code may take long).
    """

    def quick(request: Request) -> bool:
        return request.path != "/invocations" or len(request.body) < inline_bytes

    Server(application, largest_body(environment), quick, threads).run(environment)
