"""Shorter waits: short sleeps in the modules that are known, true clocks and whole patience everywhere."""

import importlib
import sys
import time

import boto3
import pytest
from botocore.exceptions import WaiterError
from botocore.stub import Stubber

from wildsage.clients import fast_waits as module
from wildsage.clients.fast_waits import fast_waits

SESSION = """
import time

def _wait_until(look, poll=30):
    looks = 0
    while not look():
        time.sleep(poll)
        looks += 1
    return looks

def _logs_for_job(look, timeout=None, poll=10):
    began = last_describe_job_call = time.time()
    looks = 0
    while True:
        time.sleep(poll)
        if timeout and time.time() > began + timeout:
            return looks
        if time.time() - last_describe_job_call >= 30:
            looks, last_describe_job_call = looks + 1, time.time()
            if look():
                return looks
"""


@pytest.fixture
def slept(monkeypatch):
    """Let nobody sleep; note for how long they would have."""
    slept = []
    monkeypatch.setattr(time, "sleep", slept.append)
    return slept


@pytest.fixture
def sdk(tmp_path, monkeypatch):
    """A package with the names of the SDK, v2."""
    package = tmp_path / "sagemaker"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "session.py").write_text(SESSION)
    (package / "predictor_async.py").write_text("from time import sleep as rest\n")
    (package / "other.py").write_text("import time\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield package
    for name in [name for name in sys.modules if name.partition(".")[0] == "sagemaker"]:
        del sys.modules[name]


def test_waits_of_a_module_that_is_imported_later_are_short(sdk, slept):
    with fast_waits():
        session = importlib.import_module("sagemaker.session")
        answers = iter([False, False, True])
        assert session._wait_until(lambda: next(answers)) == 2
        assert slept == [0.25, 0.25]
        assert importlib.import_module("sagemaker.other").time is time
    assert session.time is time


def test_waits_of_a_module_that_is_there_are_short(sdk, slept):
    session = importlib.import_module("sagemaker.session")
    with fast_waits():
        session._wait_until(iter([False, True]).__next__)
        time.sleep(7)
    session._wait_until(iter([False, True]).__next__)
    assert slept == [0.25, 7, 30]


def test_the_log_loop_looks_at_the_job_as_often_as_it_prints(sdk, slept):
    with fast_waits():
        session = importlib.import_module("sagemaker.session")
        assert session._logs_for_job(iter([False, True]).__next__) == 2
        assert len(slept) <= 8
        assert abs(session.time.time() - time.time()) < 5, "others are told the true time"


def test_a_log_loop_with_a_timeout_has_its_whole_patience(sdk, monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(time, "time", lambda: now[0])
    monkeypatch.setattr(time, "sleep", lambda seconds: now.__setitem__(0, now[0] + seconds))
    with fast_waits():
        session = importlib.import_module("sagemaker.session")
        assert session._logs_for_job(lambda: False, timeout=100) == 3
    assert now[0] == pytest.approx(1100, abs=1)


def test_what_is_not_known_stays_and_is_told_once(sdk, capsys):
    module._say_unknown.cache_clear()
    (sdk / "session.py").write_text("from time import sleep\n")
    with fast_waits():
        importlib.import_module("sagemaker.predictor_async")
        importlib.import_module("sagemaker.session")
    assert capsys.readouterr().err.count("this version of sagemaker waits in a way that is not known") == 1


@pytest.mark.parametrize(("config", "patience"), [(None, 5 * 20), ({"Delay": 15, "MaxAttempts": 4}, 60)])
def test_waiters_of_boto3_look_more_often_and_not_less_long(slept, config, patience):
    s3 = boto3.client("s3", region_name="us-east-1", aws_access_key_id="A", aws_secret_access_key="b")
    with Stubber(s3) as stub, fast_waits():
        for _ in range(patience * 4):
            stub.add_client_error("head_bucket", "404", http_status_code=404)
        with pytest.raises(WaiterError, match="Max attempts exceeded"):
            s3.get_waiter("bucket_exists").wait(Bucket="b", **({"WaiterConfig": config} if config else {}))
    assert set(slept) == {0.25}
    assert sum(slept) == pytest.approx(patience, abs=0.3)
