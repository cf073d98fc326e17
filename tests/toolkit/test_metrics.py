import io
import json
import re
import time

import pytest

from wildsage.toolkit import logs
from wildsage.toolkit.metrics import PROGRESS_PATTERN, THROUGHPUT_PATTERN, MetricLog


@pytest.fixture
def log():
    stream = io.StringIO()
    logs.configure(stream=stream)
    return MetricLog("algo-1", "AWS/Test"), stream


def test_lines_have_the_form_that_the_expressions_of_aws_find(log):
    metrics, stream = log
    metrics.quality("test", "msd", 0.5)
    metrics.quality("train", "loss", 2.0, epoch=0)
    metrics.quality("train", "loss", 12.42, epoch=0, batch=5)
    metrics.quality("validation", "accuracy", 1.0, "score")
    metrics.quality("test", "binary_f_1.000", 0.25, "score", metric="binary_f_beta")
    metrics.progress(1, 5)
    metrics.throughput(1000, 2)
    metrics.score("test", "msd", 0.5)
    text = stream.getvalue()
    assert "#quality_metric: host=algo-1, test msd <loss>=0.5\n" in text
    assert "#quality_metric: host=algo-1, epoch=0, train loss <loss>=2.0\n" in text
    assert "#quality_metric: host=algo-1, epoch=0, batch=5 train loss <loss>=12.42\n" in text
    assert "#quality_metric: host=algo-1, validation accuracy <score>=1.0\n" in text
    assert "#quality_metric: host=algo-1, test binary_f_1.000 <score>=0.25\n" in text
    assert metrics.last["test:binary_f_beta"] == 0.25
    assert "#test_score (algo-1) : ('msd', 0.5)\n" in text
    assert re.search(PROGRESS_PATTERN, text)[1] == "20.0"
    assert float(re.search(THROUGHPUT_PATTERN, text)[1]) == 500
    assert re.match(r"\[\d\d/\d\d/\d{4} \d\d:\d\d:\d\d INFO MainThread\] #quality", text)


def test_phases_are_written_once_as_json(log):
    metrics, stream = log
    for _ in range(2):
        with metrics.timed("update.time"):
            pass
    metrics.write(1.0, {"epochs": 3}, epoch=0)
    metrics.write(1.0)
    first, second = (json.loads(line.split("#metrics ")[1]) for line in stream.getvalue().splitlines())
    assert first["Dimensions"] == {
        "Algorithm": "AWS/Test",
        "Host": "algo-1",
        "Operation": "training",
        "epoch": 0,
    }
    assert first["Metrics"]["update.time"]["count"] == 2
    assert first["Metrics"]["epochs"] == {"sum": 3, "count": 1, "min": 3, "max": 3}
    assert second["Metrics"] == {}


def test_the_last_line_has_the_time_of_the_whole_training(log):
    metrics, stream = log
    with metrics.timed("model.serialize.time"):
        pass
    metrics.end(time.time() - 2, 3)
    found = json.loads(stream.getvalue().split("#metrics ")[1])["Metrics"]
    assert found["epochs"]["sum"] == 3
    assert 2000 <= found["totaltime"]["sum"] < 60_000
    assert "model.serialize.time" in found
