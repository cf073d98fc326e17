"""Cases that are checked together."""

import pytest
from tests.cases import check_each


def check_even(*numbers):
    assert all(number % 2 == 0 for number in numbers)


def test_cases_that_fail_are_told_by_name_with_their_errors():
    with pytest.raises(BaseExceptionGroup, match=r"2 of 3 cases failed: 1-2, 3-4") as raised:
        check_each(check_even, [(1, 2), (2, 4), (3, 4)])
    assert [type(error) for error in raised.value.exceptions] == [AssertionError, AssertionError]
    assert raised.value.exceptions[0].__notes__ == ["in case 1-2"]


def test_what_should_have_raised_is_a_failure():
    with pytest.raises(BaseExceptionGroup, match="1 of 1 cases failed: a"):
        check_each(pytest.fail, [("a",)])


def test_no_case_is_a_failure():
    with pytest.raises(AssertionError, match="no case for check_even"):
        check_each(check_even, [])
