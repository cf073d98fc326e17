"""The text that a scraper reads, byte by byte."""

from wildsage.core.instruments import Counter, Family, Histogram, gauge
from wildsage.formats.exposition import render


def test_counters_gauges_and_their_escapes():
    counter = Counter("jobs_total", 'of "all"\nkinds', ("name",))
    counter.add(('a"b\\c\nd',))
    families = [counter.collect(), gauge("free", "bytes", 0.25), Family("none", "gauge", "nothing", ())]
    assert render(families).decode().splitlines() == [
        r'# HELP jobs_total of "all"\nkinds',
        "# TYPE jobs_total counter",
        r'jobs_total{name="a\"b\\c\nd"} 1',
        "# HELP free bytes",
        "# TYPE free gauge",
        "free 0.25",
        "# HELP none nothing",
        "# TYPE none gauge",
    ]


def test_a_histogram():
    histogram = Histogram("seconds", "latency", ("op",), (0.1, 1.0))
    histogram.observe(("x",), 0.5)
    assert render([histogram.collect()]).decode().splitlines()[2:] == [
        'seconds_bucket{op="x",le="0.1"} 0',
        'seconds_bucket{op="x",le="1.0"} 1',
        'seconds_bucket{op="x",le="+Inf"} 1',
        'seconds_sum{op="x"} 0.5',
        'seconds_count{op="x"} 1',
    ]
