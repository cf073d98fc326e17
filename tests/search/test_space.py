import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.search.support import MIXED

from wildsage.search.errors import SpaceError
from wildsage.search.ranges import CategoricalRange, ContinuousRange, IntegerRange
from wildsage.search.space import Space

POINTS = st.lists(st.floats(0, 1), min_size=4, max_size=4).map(np.array)


@settings(deadline=None)
@given(POINTS)
def test_a_point_and_its_texts_are_the_same(point):
    values = MIXED.values(point)
    places = MIXED.places(values)
    assert MIXED.values(places)["depth"] == values["depth"]
    assert places == pytest.approx(MIXED.snapped(point[np.newaxis])[0], abs=1e-9)


@settings(deadline=None)
@given(POINTS, POINTS)
def test_choices_lie_at_distance_1(one, other):
    a, b = MIXED.columns(np.array([one, other]))
    same = MIXED.values(one)["booster"] == MIXED.values(other)["booster"]
    ends = MIXED.groups == 2
    assert ((a - b)[ends] ** 2).sum() == pytest.approx(0 if same else 1)
    assert (a - b)[~ends] == pytest.approx((one - other)[[0, 1, 3]])


def test_points_are_counted():
    assert MIXED.count is None
    assert Space((IntegerRange("n", 1, 5), CategoricalRange("c", ("a", "b")))).count == 10


def test_points_have_numbers():
    space = Space(
        (IntegerRange("n", 4, 6), CategoricalRange("c", ("a", "b")), ContinuousRange("x", 0.5, 0.5))
    )
    assert [tuple(space.point(number).values()) for number in range(space.count)] == [
        (number, choice, "0.5") for number in "456" for choice in "ab"
    ]


def test_the_last_free_point_of_many_is_found():
    space = Space((IntegerRange("n", 1, 5000), CategoricalRange("c", ("a", "b"))))
    taken = {space.key(space.point(number)) for number in range(space.count)} - {("1234", "b")}
    rng = np.random.default_rng(0)
    assert space.drawn(rng, taken) == {"n": "1234", "c": "b"}
    again = space.drawn(rng, taken | {("1234", "b")})
    assert space.values(space.places(again)) == again


def test_few_values_are_listed():
    assert MIXED.listed[1] == pytest.approx((np.arange(10) + 0.5) / 10)
    assert MIXED.listed[2] == pytest.approx([1 / 6, 1 / 2, 5 / 6])
    assert set(MIXED.listed) == {1, 2}


def test_errors_name_the_hyperparameter():
    values = MIXED.values([0.5] * 4)
    with pytest.raises(SpaceError, match="eta: there is no value"):
        MIXED.places({name: text for name, text in values.items() if name != "eta"})
    with pytest.raises(SpaceError, match="depth: the value 'deep' is not a number"):
        MIXED.places(values | {"depth": "deep"})


@pytest.mark.parametrize(
    ("ranges", "said"), [((), "at least one"), ((ContinuousRange("x", 0, 1),) * 2, "more than one range")]
)
def test_a_space_has_ranges_with_names_of_their_own(ranges, said):
    with pytest.raises(SpaceError, match=said):
        Space(ranges)
