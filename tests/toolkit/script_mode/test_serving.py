import http.client
import io
import json
import os
import pickle
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from wildsage.images.program import RUNTIME

MODEL = """
import json, os
class Model:
    def __init__(self, factor): self.factor = factor
    def predict(self, data): return data * self.factor
def model_fn(model_dir):
    return Model(float(open(os.path.join(model_dir, "factor")).read()))
"""


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=20)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(20)
        self.sock.connect(str(self._path))


class Served:
    def __init__(self, process: subprocess.Popen, path: Path) -> None:
        self.process = process
        self.connection = UnixConnection(path)

    def ask(self, method: str, path: str, body=None, **headers: str):
        fields = {name.replace("_", "-"): value for name, value in headers.items()}
        self.connection.request(method, path, body, fields, encode_chunked=not isinstance(body, (bytes, str)))
        response = self.connection.getresponse()
        return response.status, response.headers["Content-Type"], response.read()

    def invoke(self, body, content_type="application/json", **headers: str):
        return self.ask("POST", "/invocations", body, Content_Type=content_type, **headers)


@contextmanager
def serving(container, socket_path: Path, framework: str = "scikit-learn", **variables: str):
    (container.base / "model").mkdir(parents=True, exist_ok=True)
    (container.base / "model" / "factor").write_text("2")
    environment = container.environment(WILDSAGE_BIND_SOCKET=str(socket_path), **variables)
    command = [sys.executable, "-P", str(RUNTIME), "serve", framework]
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
        try:
            deadline = time.monotonic() + 20
            while not _listens(socket_path) and process.poll() is None and time.monotonic() < deadline:
                pass
            yield Served(process, socket_path)
        finally:
            process.terminate()
            try:
                process.wait(20)
            finally:
                process.kill()


def _listens(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(str(path)) == 0


@pytest.fixture
def socket_path(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("s") / "s"  # short: the kernel allows 107 characters


def test_defaults_of_scikit_learn(container, socket_path) -> None:
    container.code({"inference.py": MODEL}, folder="model/code")
    with serving(container, socket_path, SAGEMAKER_PROGRAM="inference.py") as served:
        assert served.ask("GET", "/ping") == (200, "text/plain", b"")
        assert served.invoke("[[1, 2], [3, 4]]") == (200, "application/json", b"[[2.0, 4.0], [6.0, 8.0]]")
        assert served.invoke("1,2\n3,4\n", "text/csv", Accept="text/csv") == (
            200, "text/csv", b"2.0,4.0\n6.0,8.0\n",
        )  # fmt: skip
        npy = io.BytesIO()
        np.save(npy, np.array([[0.5]]))
        status, kind, body = served.invoke(npy.getvalue(), "application/x-npy", Accept="application/x-npy")
        assert (status, kind) == (200, "application/x-npy")
        assert np.load(io.BytesIO(body)).tolist() == [[1.0]]
        assert served.invoke("[1]", Accept="*/*")[1] == "application/json"
        assert served.ask("GET", "/execution-parameters")[0] == 404
        assert served.ask("GET", "/nowhere")[0] == 404


def test_bodies_in_chunks_and_kept_connections(container, socket_path) -> None:
    container.code({"inference.py": MODEL}, folder="model/code")
    with serving(container, socket_path) as served:
        assert served.invoke(iter([b"[1,", b" 2]"]))[2] == b"[2.0, 4.0]"
        first = served.connection.sock
        assert served.invoke("[3]")[2] == b"[6.0]"
        assert served.connection.sock is first


def test_bad_requests_leave_the_server_alive(container, socket_path) -> None:
    container.code({"inference.py": MODEL}, folder="model/code")
    with serving(container, socket_path) as served:
        assert served.invoke("x", "application/x-unknown")[0] == 415
        assert served.invoke("[1]", Accept="image/png")[0] == 406
        status, _, body = served.invoke("[1,")
        assert status == 500
        assert body.startswith(b"json.decoder.JSONDecodeError")
        pickled = io.BytesIO()
        np.save(pickled, np.array([{"a": 1}], dtype=object), allow_pickle=True)
        assert served.invoke(pickled.getvalue(), "application/x-npy")[0] == 500
        assert served.invoke(pickle.dumps([1]), "application/x-npy")[0] == 500
        served.connection.close()
        with socket.socket(socket.AF_UNIX) as raw:
            raw.connect(str(socket_path))
            raw.sendall(b"POST /invocations HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n")
            assert raw.recv(100).startswith(b"HTTP/1.1 400")
        assert served.ask("GET", "/ping")[0] == 200


def test_own_functions_get_the_request(container, socket_path) -> None:
    container.code(
        {
            "serve_me.py": """
import helper
def model_fn(model_dir): return "model"
def input_fn(data, content_type): return (type(data).__name__, data, content_type)
def predict_fn(data, model): return [model, *data]
def output_fn(prediction, accept): return helper.join(prediction), "text/x-mine"
def execution_parameters_fn(): return {"MaxPayloadInMB": 6}
""",
            "helper.py": "def join(parts): return '|'.join(parts)",
        },
        folder="submitted",
    )
    with serving(
        container,
        socket_path,
        SAGEMAKER_PROGRAM="serve_me.py",
        SAGEMAKER_SUBMIT_DIRECTORY=str(container.base / "submitted"),
    ) as served:
        assert served.invoke("a", "text/csv") == (200, "text/x-mine", b"model|str|a|text/csv")
        status, _, body = served.invoke("a", "image/png")
        assert (status, b"expected str instance, bytes found" in body) == (500, True)
        assert json.loads(served.ask("GET", "/execution-parameters")[2]) == {"MaxPayloadInMB": 6}


def test_transform_fn_does_it_all(container, socket_path) -> None:
    script = (
        MODEL
        + "def transform_fn(model, data, content_type, accept):\n    return f'{model.factor} {data} {accept}'\n"
    )
    container.code({"inference.py": script}, folder="model/code")
    with serving(container, socket_path, SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT="text/plain") as served:
        assert served.invoke("in") == (200, "text/plain", b"2.0 in text/plain")


def test_responses_of_awss_worker_module(container, socket_path) -> None:
    script = (
        MODEL
        + """
from sagemaker_containers.beta.framework import encoders, worker
def input_fn(data, content_type): return encoders.decode(data, content_type)
def output_fn(prediction, accept):
    return worker.Response(encoders.encode(prediction, accept), mimetype=accept, status=202)
"""
    )
    container.code({"inference.py": script}, folder="model/code")
    with serving(container, socket_path) as served:
        assert served.invoke("4", "text/csv", Accept="text/csv") == (202, "text/csv", b"8.0\n")
        assert served.invoke("x", "image/png")[0] == 415


def test_xgboost_gets_a_dmatrix(container, socket_path) -> None:
    script = """
class Model:
    def predict(self, data, validate_features):
        assert validate_features is False
        return [data.num_row(), data.num_col(), data.num_nonmissing()]
def model_fn(model_dir): return Model()
"""
    container.code({"inference.py": script}, folder="model/code")
    with serving(container, socket_path, "xgboost") as served:
        assert served.invoke("1,,3\n4,5,6", "text/csv")[2] == b"[2, 3, 5]"
        assert served.invoke("1 1:2 3:4\n", "text/libsvm")[2] == b"[1, 4, 2]"
        assert served.invoke("[1]", "application/json")[0] == 415


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("", "Please provide a model_fn implementation"),
        ("raise RuntimeError('broken import')", "broken import"),
        (MODEL + "def transform_fn(*a): pass\ndef input_fn(*a): pass\n", "Cannot use transform_fn"),
        ("def model_fn(d): raise KeyError('weights')", "KeyError: 'weights'"),
    ],
)
def test_model_that_does_not_load_ends_the_server(container, socket_path, script, said) -> None:
    container.code({"inference.py": script}, folder="model/code")
    with serving(container, socket_path) as served:
        errors = served.process.stderr.read()
        assert served.process.wait(timeout=20) == 1
        assert said in errors


def test_no_code_says_what_to_do(container, socket_path) -> None:
    with serving(container, socket_path, SAGEMAKER_SUBMIT_DIRECTORY="/opt/ml/model/code") as served:
        assert "there is no code at /opt/ml/model/code" in served.process.stderr.read()
        assert served.process.wait(timeout=20) == 1


def test_sigterm_ends_the_server_cleanly(container, socket_path) -> None:
    container.code({"inference.py": MODEL}, folder="model/code")
    with serving(container, socket_path) as served:
        assert served.ask("GET", "/ping")[0] == 200
        served.process.send_signal(signal.SIGTERM)
        assert served.process.wait(timeout=20) == 0


@pytest.mark.parametrize("first_to_end", ["a worker", "their parent"])
def test_several_workers_share_the_socket_and_end_together(container, socket_path, first_to_end) -> None:
    script = "import os\ndef model_fn(d): return 1\ndef transform_fn(*a): return str(os.getpid())\n"
    container.code({"inference.py": script}, folder="model/code")
    with serving(container, socket_path, SAGEMAKER_MODEL_SERVER_WORKERS="2") as served:
        processes: set[bytes] = set()
        deadline = time.monotonic() + 20
        while len(processes) < 2 and time.monotonic() < deadline:
            processes.add(served.invoke("x")[2])
            served.connection.close()
        assert len(processes) == 2
        assert str(served.process.pid).encode() not in processes
        for process in processes:
            assert _is_there(process)
        if first_to_end == "a worker":
            os.kill(int(min(processes)), signal.SIGKILL)
        else:
            served.process.terminate()
        assert served.process.wait(timeout=20) == (137 if first_to_end == "a worker" else 0)
        while any(_is_there(process) for process in processes):
            assert time.monotonic() < deadline + 20
            time.sleep(0.01)


def _is_there(process: bytes) -> bool:
    """Whether a process lives; one that nobody waits for any more does not."""
    try:
        return b") Z " not in Path("/proc", process.decode(), "stat").read_bytes()
    except FileNotFoundError:
        return False


TRANSFORMERS = """
def pipeline(task, model, device):
    def run(inputs, **parameters):
        return {"task": task, "inputs": inputs, "parameters": parameters}
    return run
"""


def test_a_hugging_face_model_is_served_without_a_script(container, socket_path, tmp_path) -> None:
    """The pipeline is a double here; the acceptance tests have the real one."""
    container.code({"transformers.py": TRANSFORMERS}, folder="modules")
    container.code({"config.json": '{"architectures": ["BertForSequenceClassification"]}'}, folder="model")
    path = str(container.base / "modules")
    with serving(container, socket_path, "huggingface", PYTHONPATH=path) as served:
        status, kind, body = served.invoke('{"inputs": "so good", "parameters": {"top_k": 2}}')
        assert (status, kind) == (200, "application/json")
        assert json.loads(body) == {
            "task": "text-classification",
            "inputs": "so good",
            "parameters": {"top_k": 2},
        }
        assert json.loads(served.invoke('{"question": "who?", "context": "me"}')[2])["inputs"] == {
            "question": "who?",
            "context": "me",
        }
        assert served.invoke("1,2", "text/plain")[0] == 415


def test_a_hugging_face_model_of_an_unknown_kind_says_what_to_set(container, socket_path) -> None:
    container.code({"transformers.py": TRANSFORMERS}, folder="modules")
    container.code({"config.json": '{"architectures": ["Odd"]}'}, folder="model")
    path = str(container.base / "modules")
    with serving(container, socket_path, "huggingface", PYTHONPATH=path) as served:
        assert "set HF_TASK in the model's environment" in served.process.stderr.read()
