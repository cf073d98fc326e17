"""Counters and histograms: what was put in comes out."""

from wildsage.core.instruments import Instruments, gauge


def samples(family):
    return {(sample.suffix, *sample.labels.values()): sample.value for sample in family.samples}


def test_a_counter_counts_by_labels():
    instruments = Instruments()
    counter = instruments.counter("c", "text", ("a", "b"))
    counter.add(("1", "2"))
    counter.add(("1", "2"), 2)
    counter.add(("3", "4"))
    (family,) = instruments.collect()
    assert samples(family) == {("", "1", "2"): 3, ("", "3", "4"): 1}
    assert family.kind == "counter"


def test_a_histogram_counts_up_to_each_bound_and_beyond_the_last():
    instruments = Instruments()
    histogram = instruments.histogram("h", "text", ("a",))
    for value in (0.0005, 0.3, 0.3, 1000.0):
        histogram.observe(("x",), value)
    found = samples(instruments.collect()[0])
    assert found["_bucket", "x", "0.0005"] == 1  # a bound belongs to its bucket
    assert found["_bucket", "x", "0.25"] == 1
    assert found["_bucket", "x", "0.5"] == 3
    assert found["_bucket", "x", "60.0"] == 3
    assert found["_bucket", "x", "+Inf"] == found["_count", "x"] == 4
    assert found["_sum", "x"] == 0.0005 + 0.3 + 0.3 + 1000.0


def test_what_is_gone_is_forgotten():
    instruments = Instruments()
    histogram = instruments.histogram("h", "text", ("a",))
    histogram.observe(("gone",), 1)
    histogram.observe(("here",), 1)
    histogram.keep(lambda labels: labels == ("here",))
    assert {key[1] for key in samples(instruments.collect()[0])} == {"here"}


def test_measures_are_asked_at_each_collection():
    instruments = Instruments()
    values = iter([1, 2])
    instruments.measured(lambda: [gauge("g", "text", next(values))])
    assert [instruments.collect()[0].samples[0].value for _ in range(2)] == [1, 2]
