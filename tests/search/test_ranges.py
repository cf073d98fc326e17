import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wildsage.search.errors import SpaceError
from wildsage.search.ranges import CategoricalRange, ContinuousRange, IntegerRange
from wildsage.search.scales import LINEAR, LOGARITHMIC, choose

SCALES = st.sampled_from(["Auto", "Linear", "Logarithmic"])
PLACES = st.floats(0, 1)


@st.composite
def continuous(draw):
    scale = draw(st.sampled_from(["Auto", "Linear", "Logarithmic", "ReverseLogarithmic"]))
    least, most = {"Logarithmic": (1e-12, 1e12), "ReverseLogarithmic": (0, 0.999999)}.get(scale, (-1e9, 1e9))
    low, high = sorted((draw(st.floats(least, most)), draw(st.floats(least, most))))
    return ContinuousRange("x", low, high, scale)


@st.composite
def integers(draw):
    scale = draw(SCALES)
    least = 1 if scale == "Logarithmic" else -(10**6)
    low, high = sorted((draw(st.integers(least, 10**6)), draw(st.integers(least, 10**6))))
    return IntegerRange("n", low, high, scale)


CHOICES = st.lists(st.text('ab1. "é', max_size=5), min_size=1, max_size=30, unique=True).map(
    lambda texts: CategoricalRange("c", tuple(texts))
)


@settings(deadline=None)
@given(continuous(), PLACES)
def test_numbers_are_within_their_bounds_and_keep_their_place(range_, place):
    text = range_.text(place)
    assert range_.low <= float(text) <= range_.high
    assert repr(float(text)) == text
    # A place is only as exact as the doubles between the bounds are dense.
    again = range_.text(range_.place(text))
    assert float(again) == pytest.approx(float(text), rel=1e-9, abs=1e-9 * (range_.high - range_.low))


@settings(deadline=None)
@given(st.one_of(integers(), CHOICES), PLACES)
def test_whole_numbers_and_choices_read_back_exactly(range_, place):
    text = range_.text(place)
    assert range_.text(range_.place(text)) == text
    assert 0 <= range_.place(text) <= 1
    assert range_.snapped(np.array([place]))[0] == pytest.approx(range_.place(text), abs=1e-12)


@settings(deadline=None)
@given(st.one_of(continuous(), integers()))
def test_the_ends_are_reached(range_):
    kind = float if isinstance(range_, ContinuousRange) else int
    assert range_.text(0) == str(kind(range_.low))
    assert range_.text(1) == str(kind(range_.high))


@settings(deadline=None)
@given(st.one_of(integers(), CHOICES), st.data())
def test_values_are_counted(range_, data):
    text = range_.value(data.draw(st.integers(0, range_.count - 1)))
    assert range_.text(range_.place(text)) == text
    assert [range_.value(0), range_.value(range_.count - 1)] == [range_.text(0), range_.text(1)]


def test_numbers_are_counted_where_there_is_one():
    assert ContinuousRange("x", 0, 1).count is None
    one = ContinuousRange("x", 0.5, 0.5)
    assert (one.count, one.value(0), one.text(0.3)) == (1, "0.5", "0.5")


def test_whole_numbers_that_are_no_doubles_stay_within():
    range_ = IntegerRange("n", 1, 2**63 - 1)
    assert range_.text(1) == str(2**63 - 1)
    assert int(range_.text(1 - 1e-16)) <= 2**63 - 1


def test_texts_are_those_of_jobs():
    assert ContinuousRange("eta", 0, 0.5).text(0.5) == "0.25"
    assert IntegerRange("depth", 1, 9).text(0.5) == "5"
    assert CategoricalRange("c", ('"sgd"', "a b")).text(0.9) == "a b"


def test_each_whole_number_owns_as_much_of_a_linear_scale():
    range_ = IntegerRange("n", 1, 4, "Linear")
    drawn = [range_.text(place) for place in (np.arange(400) + 0.5) / 400]
    assert [drawn.count(str(number)) for number in (1, 2, 3, 4)] == [100] * 4


def test_a_logarithmic_scale_gives_each_order_as_much():
    range_ = ContinuousRange("x", 1e-4, 1.0, "Logarithmic")
    assert [float(range_.text(place)) for place in (0, 0.25, 0.5, 1)] == pytest.approx([1e-4, 1e-3, 1e-2, 1])


def test_a_reverse_logarithmic_scale_is_dense_near_1():
    range_ = ContinuousRange("x", 0, 0.999, "ReverseLogarithmic")
    assert [float(range_.text(place)) for place in (1 / 3, 2 / 3)] == pytest.approx([0.9, 0.99])


@pytest.mark.parametrize(
    ("low", "high", "scale"), [(0.1, 1, LINEAR), (1, 100, LOGARITHMIC), (0, 1000, LINEAR), (-5, 5, LINEAR)]
)
def test_auto_is_logarithmic_over_two_orders(low, high, scale):
    assert choose("Auto", low, high) is scale


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: ContinuousRange("x", 0, 1, "Logarithmic"), "greater than 0"),
        (lambda: ContinuousRange("x", 0, 1, "ReverseLogarithmic"), "0 <= x < 1"),
        (lambda: ContinuousRange("x", -0.1, 0.5, "ReverseLogarithmic"), "0 <= x < 1"),
        (lambda: IntegerRange("n", 0, 5, "ReverseLogarithmic"), "continuous ranges only"),
        (lambda: IntegerRange("n", 0, 5, "Logarithmic"), "greater than 0"),
        (lambda: ContinuousRange("x", 2, 1), "greater than MaxValue"),
        (lambda: ContinuousRange("x", 0, float("inf")), "finite"),
        (lambda: ContinuousRange("x", -1.7e308, 1.7e308), "too far apart"),
        (lambda: ContinuousRange("x", 0, 1, "Cubic"), "'Cubic'"),
        (lambda: CategoricalRange("c", ()), "at least one"),
        (lambda: CategoricalRange("c", ("a", "a")), "twice"),
    ],
)
def test_a_range_that_cannot_be_searched_is_refused(make, said):
    with pytest.raises(SpaceError, match=said):
        make()


@pytest.mark.parametrize(
    ("range_", "text", "said"),
    [
        (ContinuousRange("x", 0, 1), "fast", "not a number"),
        (ContinuousRange("x", 0, 1), "nan", "finite"),
        (ContinuousRange("x", 1, 1000), "-1", "scale"),
        (IntegerRange("n", 0, 5), "2.5", "whole"),
        (CategoricalRange("c", ("a",)), "b", "not one of a"),
    ],
)
def test_a_text_that_is_no_value_is_refused(range_, text, said):
    with pytest.raises(SpaceError, match=said):
        range_.place(text)


def test_values_out_of_bounds_have_places_outside_of_0_and_1():
    assert ContinuousRange("x", 0, 1, "Linear").place("1.5") == 1.5
    assert ContinuousRange("x", 1, 1, "Linear").place("2") > 1
