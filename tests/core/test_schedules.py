"""Schedule expressions that are some, and that are none."""

import pytest

from wildsage.core.schedules import ScheduleError, check_schedule


@pytest.mark.parametrize(
    "expression",
    [
        "rate(1 minute)", "rate(5 minutes)", "rate(1 hour)", "rate(2 days)", "cron(0 12 * * ? *)",
        "cron(0/15 8-17 ? * MON-FRI *)", "cron(5,35 14 * * ? *)", "cron(0 0 L * ? *)", "cron(0 0 LW * ? *)",
        "cron(0 0 15W JAN,jul ? 2026)", "cron(0 9 ? * 2#1 *)", "cron(0 9 ? * 6L 2025-2030)", "cron(0 9 ? * L *)",
    ],
)  # fmt: skip
def test_schedules(expression):
    check_schedule(expression)


@pytest.mark.parametrize(
    "expression",
    [
        "", "rate(1 minutes)", "rate(5 minute)", "rate(0 minutes)", "rate(-1 minutes)", "rate(5 weeks)", "rate(5  minutes)",
        "cron(0 12 * * *)", "cron(0 12 * * * *)", "cron(0 12 ? * ? *)", "cron(60 12 * * ? *)", "cron(0 24 * * ? *)",
        "cron(0 0 32 * ? *)", "cron(0 0 * 13 ? *)", "cron(0 0 ? * 8 *)", "cron(0 0 * * ? 1969)", "cron(0/0 0 * * ? *)",
        "cron(0/x 0 * * ? *)", "cron(, 0 * * ? *)", "cron(0 0 * FOO ? *)", "at(2026-01-31T12:00:00)", "every day",
    ],
)  # fmt: skip
def test_schedules_that_are_none(expression):
    with pytest.raises(ScheduleError):
        check_schedule(expression)


def test_a_moment_is_a_schedule_where_something_happens_once():
    check_schedule("at(2026-01-31T12:00:00)", once=True)
    with pytest.raises(ScheduleError, match="does not exist"):
        check_schedule("at(2026-02-31T12:00:00)", once=True)
