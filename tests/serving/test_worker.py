"""What is said of a worker whose container ended by itself."""

from wildsage.serving.worker import _read_ending
from wildsage.supervisor.contract import ExitRecord


def test_a_worker_that_ran_out_of_memory_says_so():
    limit = "out of memory: the container is limited to 50 bytes"
    record = ExitRecord("failed", 1.0, exit_code=137, message=limit, log_tail=("loading",))
    kind, detail = _read_ending(record)
    assert kind == "exited"
    assert detail == f"the container ended with exit code 137 ({limit}). Its last words: loading"
