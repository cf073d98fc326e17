import http.server
import json
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from wildsage.images.program import RUNTIME

# What AWS's toolkit gives, by its `Environment.to_env_vars` (sagemaker-training-toolkit 5.1).
AWS_VARIABLES = frozenset(
    f"SM_{name}"
    for name in [
        "HOSTS",
        "NETWORK_INTERFACE_NAME",
        "HPS",
        "USER_ENTRY_POINT",
        "FRAMEWORK_PARAMS",
        "RESOURCE_CONFIG",
        "INPUT_DATA_CONFIG",
        "OUTPUT_DATA_DIR",
        "CHANNELS",
        "CURRENT_HOST",
        "CURRENT_INSTANCE_TYPE",
        "CURRENT_INSTANCE_GROUP",
        "CURRENT_INSTANCE_GROUP_HOSTS",
        "INSTANCE_GROUPS",
        "INSTANCE_GROUPS_DICT",
        "DISTRIBUTION_INSTANCE_GROUPS",
        "IS_HETERO",
        "MODULE_NAME",
        "LOG_LEVEL",
        "FRAMEWORK_MODULE",
        "INPUT_DIR",
        "INPUT_CONFIG_DIR",
        "OUTPUT_DIR",
        "NUM_CPUS",
        "NUM_GPUS",
        "NUM_NEURONS",
        "MODEL_DIR",
        "MODULE_DIR",
        "TRAINING_ENV",
        "USER_ARGS",
        "OUTPUT_INTERMEDIATE_DIR",
    ]
)
PRINT_CONTRACT = """
import json, os, sys
print("ARGS", json.dumps(sys.argv[1:]))
print("ENV", json.dumps({k: v for k, v in os.environ.items() if k.startswith("SM_")}))
print("CWD", os.getcwd())
open(os.path.join(os.environ["SM_MODEL_DIR"], "model.txt"), "w").write("fitted")
"""


def printed(output: str, word: str):
    line = next(line for line in output.splitlines() if line.startswith(word + " "))
    return line[len(word) + 1 :]


@pytest.mark.parametrize("quote", [json.dumps, str], ids=["v2-json-quoted", "v3-plain"])
def test_script_gets_the_contract(container, quote) -> None:
    folder = container.code({"train.py": PRINT_CONTRACT})
    container.configure(
        {
            "sagemaker_program": quote("train.py"),
            "sagemaker_submit_directory": quote(str(folder)),
            "sagemaker_container_log_level": "20",
            "sagemaker_custom": "7",
            "n-estimators": "10",
            "learning_rate": "0.5",
            "flag": "true",
            "k": "3",
            "criterion": quote("gini"),
            "layers": "[1, 2]",
        },
        ("train", "validation"),
    )
    done = container.run("train", TRAINING_JOB_NAME="job-1", SAGEMAKER_TRAINING_MODULE="m.training:main")
    assert done.returncode == 0, done.stderr
    assert json.loads(printed(done.stdout, "ARGS")) == [
        "--criterion", "gini", "--flag", "True", "-k", "3", "--layers", "[1, 2]",
        "--learning_rate", "0.5", "--n-estimators", "10",
    ]  # fmt: skip
    sm = json.loads(printed(done.stdout, "ENV"))
    base = str(container.base)
    expected = {
        "SM_MODEL_DIR": f"{base}/model",
        "SM_CHANNEL_TRAIN": f"{base}/input/data/train",
        "SM_CHANNELS": '["train","validation"]',
        "SM_HP_N-ESTIMATORS": "10",
        "SM_HP_FLAG": "true",
        "SM_HP_CRITERION": "gini",
        "SM_HPS": '{"criterion":"gini","flag":true,"k":3,"layers":[1,2],"learning_rate":0.5,"n-estimators":10}',
        "SM_HOSTS": '["algo-1"]',
        "SM_CURRENT_HOST": "algo-1",
        "SM_OUTPUT_DATA_DIR": f"{base}/output/data",
        "SM_INPUT_DIR": f"{base}/input",
        "SM_MODULE_NAME": "train",
        "SM_USER_ENTRY_POINT": "train.py",
        "SM_FRAMEWORK_MODULE": "m.training:main",
        "SM_FRAMEWORK_PARAMS": '{"sagemaker_custom":7}',
        "SM_JOB_NAME": "job-1",
        "SM_LOG_LEVEL": "20",
    }
    assert {name: sm.get(name) for name in expected} == expected
    assert int(sm["SM_NUM_CPUS"]) >= 1
    assert sm["SM_NUM_NEURONS"] == "0"
    assert sm.keys() >= AWS_VARIABLES
    training = json.loads(sm["SM_TRAINING_ENV"])
    assert training["hyperparameters"]["layers"] == [1, 2]
    assert training["channel_input_dirs"]["validation"] == f"{base}/input/data/validation"
    assert printed(done.stdout, "CWD") == str(folder)
    assert (container.base / "model" / "model.txt").read_text() == "fitted"
    assert "Invoking script with the following command:" in done.stderr
    assert not (container.base / "output" / "failure").exists()


TENSORFLOW = "sagemaker_tensorflow_container.training:main"


@pytest.mark.parametrize(
    ("module", "given", "place"),
    [
        (TENSORFLOW, "s3://b/tune/model", "s3://b/tune/model/tune-001/model"),
        (TENSORFLOW, "/opt/ml/model", "/opt/ml/model"),
        ("sagemaker_pytorch_container.training:main", "s3://b/tune/model", "s3://b/tune/model"),
    ],
)
def test_a_tensorflow_trial_of_a_tuning_job_has_a_model_dir_of_its_own(
    container, module, given, place
) -> None:
    container.code({"go.py": PRINT_CONTRACT})
    own = {"sagemaker_program": "go.py", "_tuning_objective_metric": "loss"}
    container.configure({**own, "model_dir": json.dumps(given)})
    done = container.run("train", TRAINING_JOB_NAME="tune-001", SAGEMAKER_TRAINING_MODULE=module)
    assert json.loads(printed(done.stdout, "ARGS")) == ["--model_dir", place]
    assert json.loads(printed(done.stdout, "ENV"))["SM_HP_MODEL_DIR"] == place


@pytest.mark.parametrize("more", [{"model_dir": "s3://b/model"}, {"_tuning_objective_metric": "loss"}])
def test_elsewhere_a_tensorflow_script_gets_its_model_dir_as_it_is(container, more) -> None:
    container.code({"go.py": PRINT_CONTRACT})
    container.configure({"sagemaker_program": "go.py", **more})
    done = container.run("train", TRAINING_JOB_NAME="job", SAGEMAKER_TRAINING_MODULE=TENSORFLOW)
    words = ["--model_dir", more["model_dir"]] if "model_dir" in more else []
    assert json.loads(printed(done.stdout, "ARGS")) == words


def test_modules_of_the_runtime_are_not_in_the_scripts_way(container) -> None:
    script = "import sys, training, server\nprint(training.MINE, server.MINE)\n"
    container.code({"go.py": script, "training.py": "MINE = 1", "server.py": "MINE = 2"})
    container.configure({"sagemaker_program": "go.py"})
    assert container.run("train").stdout.strip() == "1 2"


def test_failing_script_is_reported_with_its_error_and_exit_code(container) -> None:
    container.code(
        {"train.py": "import sys\nprint('x' * 3000, file=sys.stderr)\nraise ValueError('bad rows')\n"}
    )
    container.configure({"sagemaker_program": "train.py", "n": "1"})
    done = container.run("train")
    assert done.returncode == 1
    assert container.failure.startswith(
        'ExecuteUserScriptError:\nExitCode 1\nErrorMessage "ValueError: bad rows"\n'
    )
    assert container.failure.endswith('python train.py -n 1"')
    assert "Traceback" in done.stderr


def test_exit_code_of_the_script_is_the_containers(container) -> None:
    container.code({"train.py": "import sys\nprint('no luck', file=sys.stderr)\nsys.exit(42)\n"})
    container.configure({"sagemaker_program": "train.py"})
    assert container.run("train").returncode == 42
    assert 'ExitCode 42\nErrorMessage "no luck"' in container.failure


@pytest.mark.parametrize(
    ("hyperparameters", "said"),
    [
        ({}, "no script is named"),
        (
            {"sagemaker_program": "absent.py"},
            "'absent.py' is not in the code that was submitted, which has: other.py",
        ),
        (
            {"sagemaker_program": "other.py", "sagemaker_submit_directory": "/nowhere"},
            "there is no code at /nowhere",
        ),
        (
            {"sagemaker_program": "other.py", "sagemaker_parameter_server_enabled": "true"},
            "distribution 'parameter_server' is not available",
        ),
        (
            {"sagemaker_program": "other.py", "sagemaker_submit_directory": "s3://b/k"},
            "AWS_ENDPOINT_URL is not set",
        ),
    ],
)
def test_bad_requests_fail_with_what_is_wrong(container, hyperparameters, said) -> None:
    container.code({"other.py": ""})
    container.configure(hyperparameters)
    done = container.run("train", AWS_ACCESS_KEY_ID="k", AWS_SECRET_ACCESS_KEY="s")
    assert done.returncode == 1
    assert said in container.failure


def test_shell_scripts_run_with_their_arguments(container) -> None:
    container.code({"run.sh": '#!/bin/sh\necho "got $*"; echo "second $2"\n'})
    container.configure({"sagemaker_program": "run.sh", "text": "two words; exit 9"})
    done = container.run("train")
    assert done.returncode == 0
    assert "second two words; exit 9" in done.stdout


class Bucket(http.server.BaseHTTPRequestHandler):
    """An S3 that first fails once, and gives credentials to whoever knows the token."""

    def do_GET(self) -> None:
        self.server.seen.append((self.path, dict(self.headers)))
        if self.path == "/credentials":
            known = self.headers["Authorization"] == "secret-token"
            body = json.dumps({"AccessKeyId": "ASIA1", "SecretAccessKey": "s", "Token": "session"}).encode()
            self._answer(200 if known else 403, body)
        elif self.path == "/bucket/job/source/sourcedir.tar.gz":
            asked = sum(path == self.path for path, _ in self.server.seen)
            self._answer(503 if asked == 1 else 200, self.server.content)
        else:
            self._answer(404, b"NoSuchKey")

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args) -> None:
        pass


@pytest.fixture
def bucket(make_archive):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Bucket)
    server.seen = []
    server.content = make_archive(
        {"train.py": "import lib.part\nprint(lib.part.WORD)", "lib/part.py": "WORD = 'hi'"}
    )
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def aws(bucket, tmp_path: Path) -> dict[str, str]:
    url = f"http://127.0.0.1:{bucket.server_port}"
    token = tmp_path / "token"
    token.write_text("secret-token\n")
    return {
        "AWS_ENDPOINT_URL": url,
        "AWS_REGION": "eu-west-1",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{url}/credentials",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(token),
        "HTTP_PROXY": "http://127.0.0.1:9",
    }


def test_code_comes_from_s3_with_the_roles_credentials(container, bucket, tmp_path) -> None:
    container.configure(
        {
            "sagemaker_program": "train.py",
            "sagemaker_submit_directory": '"s3://bucket/job/source/sourcedir.tar.gz"',
        }
    )
    done = container.run("train", **aws(bucket, tmp_path))
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "hi"
    headers = next(headers for path, headers in bucket.seen if path.startswith("/bucket"))
    fields = {name.lower(): value for name, value in headers.items()}
    assert fields["authorization"].startswith("AWS4-HMAC-SHA256 Credential=ASIA1/")
    assert "/eu-west-1/s3/aws4_request" in fields["authorization"]
    assert fields["x-amz-security-token"] == "session"


def test_absent_code_in_s3_fails_at_once(container, bucket, tmp_path) -> None:
    container.configure({"sagemaker_program": "train.py", "sagemaker_submit_directory": "s3://bucket/absent"})
    assert container.run("train", **aws(bucket, tmp_path)).returncode == 1
    assert "could not be downloaded from s3://bucket/absent: HTTP Error 404" in container.failure


def test_damaged_archive_is_named(container) -> None:
    container.code({"sourcedir.tar.gz": "no archive"}, folder="input/data/code")
    place = container.base / "input" / "data" / "code" / "sourcedir.tar.gz"
    container.configure({"sagemaker_program": "train.py", "sagemaker_submit_directory": f"file://{place}"})
    assert container.run("train").returncode == 1
    assert "cannot be extracted" in container.failure


def test_archive_cannot_write_outside(container, make_archive) -> None:
    place = container.code({"x": ""}, folder="input/data/code") / "sourcedir.tar.gz"
    place.write_bytes(make_archive({"../../escaped": "x", "train.py": ""}))
    container.configure({"sagemaker_program": "train.py", "sagemaker_submit_directory": str(place)})
    assert container.run("train").returncode == 1
    assert "escaped" in container.failure
    assert not (container.base.parent / "escaped").exists()


def test_sigterm_reaches_the_script_once_and_its_exit_code_counts(container) -> None:
    script = """
import os, signal, sys, time
seen = []
def stop(*_):
    seen.append(1)
    os.write(1, b"stopping\\n")  # print may be in the middle of saying "ready"
    end.append(time.monotonic() + 0.3)
end = []
signal.signal(signal.SIGTERM, stop)
print("ready", flush=True)
while not end or time.monotonic() < end[0]:
    time.sleep(0.01)
sys.exit(10 + len(seen))
"""
    container.code({"train.py": script})
    container.configure({"sagemaker_program": "train.py"})
    with subprocess.Popen(
        [sys.executable, "-P", str(RUNTIME), "train"],
        env=container.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=20) == 11


def test_the_packages_of_a_command_are_its_own_affair(container) -> None:
    container.code({"run.sh": "#!/bin/sh\necho ran\n", "requirements.txt": "no-such-package-here==1\n"})
    container.configure({"sagemaker_program": "run.sh"})
    assert "ran" in container.run("train").stdout


def test_modules_of_awss_containers_are_there_for_scripts(container) -> None:
    script = """
import os, sys
from sagemaker_containers import entry_point
from sagemaker_containers.beta.framework import content_types, encoders, env, modules, transformer, worker
from sagemaker_inference import content_types as types, decoder, encoder
from sagemaker_xgboost_container import distributed
from sagemaker_xgboost_container.data_utils import get_dmatrix
assert encoders.encode([1.0], types.CSV) == "1.0\\n"
assert encoder.encode([1, 2], "application/json") == "[1, 2]"
assert decoder.decode("3,4", content_types.CSV).tolist() == [3.0, 4.0]
train = get_dmatrix(os.environ["SM_CHANNEL_TRAIN"], "text/csv")
assert (train.num_row(), train.num_col(), train.get_label().tolist()) == (2, 2, [1.0, 0.0])
assert get_dmatrix(os.environ["SM_CHANNEL_EMPTY"], "libsvm") is None
weighted = get_dmatrix(os.environ["SM_CHANNEL_TRAIN"], "csv", csv_weights=1)
assert weighted.get_weight().tolist() == [2.0, 5.0]
distributed.rabit_run(
    lambda word, is_master: print(word, is_master), {"word": "ran"}, True, ["algo-1"], "algo-1",
    update_rabit_args=True, connect_retry_timeout=3,
)
"""
    container.code({"train.py": script})
    container.configure({"sagemaker_program": "train.py"}, ("train", "empty"))
    (container.base / "input" / "data" / "train" / "a.csv").write_text("1,2,3\n")
    (container.base / "input" / "data" / "train" / "b.csv").write_text("0,5,6\n")
    done = container.run("train")
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "ran True"
