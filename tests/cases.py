"""Many small cases in one test: pytest would take longer over each than the case does."""

from collections.abc import Callable, Collection

import pytest


def check_each(check: Callable[..., object], cases: Collection[tuple[object, ...]]) -> None:
    """Call `check` with each of `cases`, and fail with all that failed: the message names them."""
    assert cases, f"there is no case for {check.__name__}"
    failures: dict[str, BaseException] = {}
    for case in cases:
        try:
            check(*case)
        except (Exception, pytest.fail.Exception) as error:
            name = "-".join(map(str, case))
            error.add_note(f"in case {name}")
            failures[name] = error
    if failures:
        said = f"{len(failures)} of {len(cases)} cases failed: {', '.join(failures)}"
        raise BaseExceptionGroup(said, [*failures.values()])
