"""Values in log lines."""

import asyncio

import pytest

from wildsage.formats.logframes import Frame, encode_frame
from wildsage.jobs.metrics import InvalidExpressionError, compile_expression, publisher, scraper
from wildsage.store.distributions import Distribution
from wildsage.store.logs import LogStreams
from wildsage.store.metrics import Metric, MetricStore
from wildsage.store.resources import Key


def values(definitions, *lines):
    scrape = scraper([{"Name": name, "Regex": text} for name, text in definitions])
    return [(point.name, point.value) for line in lines for point in scrape(Frame(5_000, line, 0, 1))]


def test_the_first_group_is_the_value_at_the_time_of_the_line():
    (point,) = scraper([{"Name": "loss", "Regex": "loss=(\\S+)"}])(Frame(5_000, "loss=1e-3", 0, 1))
    assert (point.name, point.at, point.value) == ("loss", 5.0, 0.001)


def test_what_is_no_number_is_no_value():
    definitions = [("a", "a=(.*);"), ("none", "a="), ("optional", "a(x)?")]
    assert values(definitions, "a=word;", "a=2;", "nothing") == [("a", 2.0)]


def test_tabs_are_found_as_cloudwatch_shows_them_and_as_they_are():
    line = "[3]\ttrain-rmse:2.5\tvalidation-rmse:3.5"
    for text in (r".*\[[0-9]+\].*#011validation-rmse:(\S+)", r"\tvalidation-rmse:(\S+)"):
        assert values([("v", text)], line) == [("v", 3.5)]


def test_an_expression_that_explodes_is_given_up_and_the_others_go_on(caplog):
    definitions = [("bad", r"(x+x+)+y"), ("good", "loss=(.*)")]
    assert values(definitions, "x" * 5_000, "loss=1", "loss=2") == [("good", 1.0), ("good", 2.0)]
    assert "Regex of metric bad takes too long" in caplog.text


def test_a_malformed_expression_is_named():
    with pytest.raises(InvalidExpressionError, match="'\\(a'"):
        compile_expression("(a")


def test_what_is_scraped_is_shown_in_cloudwatch_by_the_name_of_the_job(telemetry, tmp_path):
    """In the transaction that moves the tailer on, so that nothing is counted twice."""
    logs, metrics = LogStreams(telemetry, tmp_path), MetricStore(telemetry)
    stream = asyncio.run(logs.attach("1", "r", "/group", "job/algo-1", 1.0))
    lines = ("loss=4", "loss=nan", "loss=2", "noise")
    stream.path.write_bytes(b"".join(encode_frame(60_500 + n, line.encode()) for n, line in enumerate(lines)))
    scrape = scraper([{"Name": "loss", "Regex": r"loss=(\S+)"}])
    publish = publisher(Key("1", "r", "training-job", "Job"), 90.0)
    for _ in range(2):
        asyncio.run(logs.scan(stream.id, "arn", scrape, 90.0, publish))
    metric = Metric("1", "r", "/aws/sagemaker/TrainingJobs", "loss", (("TrainingJobName", "Job"),))
    (series,) = metrics.series(metric)
    (point,) = metrics.points(series.id, 0, 1000)
    assert (point.at, point.resolution, point.values) == (60, 1, Distribution.of([4.0, 2.0]))
