"""What a failure beside the container makes of its run."""

import errno

import pytest

from wildsage.supervisor.verdict import NO_SPACE, outcome_of


@pytest.mark.parametrize("number", sorted(NO_SPACE), ids=errno.errorcode.get)
def test_a_full_disk_is_called_one(number):
    """The FIFO of the next epoch cannot be made, say."""
    outcome, message = outcome_of(OSError(number, "No room"))
    assert (outcome, message) == (
        "disk_full",
        "the machine's disk is full (No room): the run could not go on",
    )


def test_any_other_failure_is_the_platform_s():
    assert outcome_of(OSError(errno.EIO, "broken")) == ("platform_error", "OSError: [Errno 5] broken")
