from datetime import UTC, datetime

from hypothesis import example, given
from hypothesis import strategies as st

from wildsage.core.clock import iso8601


@given(st.floats(min_value=-2e9, max_value=4e9))
@example(140737489.2109995)
def test_a_time_is_rendered_as_the_datetime_that_it_is(seconds):
    moment = datetime.fromtimestamp(seconds, UTC)
    assert iso8601(seconds) == moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
