"""What of a failure's last lines the user reads."""

import pytest

from wildsage.toolkit.script_mode.errors import essence

TRACEBACK = [
    "Traceback (most recent call last):",
    '  File "train.py", line 3, in <module>',
    "ValueError: bad rows",
]
RULE = "-" * 74


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ([*TRACEBACK, "in shard 3"], "ValueError: bad rows\nin shard 3"),
        (["before", "no luck"], "before\nno luck"),
        (
            [
                *[f"[1,3]<stderr>: {line}" for line in TRACEBACK],
                f"[1,3]<stderr>: {RULE}",
                "[1,3]<stderr>: MPI_ABORT was invoked on rank 3",
                "[1,1]<stderr>: Traceback (most recent call last):",
                "[1,1]<stderr>: RuntimeError: a peer is gone",
                "prterun has exited due to process rank 3",
            ],
            "ValueError: bad rows",
        ),
        (
            [
                *[f"[rank1]: {line}" for line in TRACEBACK],
                "Traceback (most recent call last):",
                "torch.distributed.elastic.multiprocessing.errors.ChildFailedError: ",
            ],
            "ValueError: bad rows",
        ),
        (
            ["[1,0]<stderr>: no luck", "prterun detected that"],
            "[1,0]<stderr>: no luck\nprterun detected that",
        ),
    ],
)
def test_what_went_wrong_is_told(lines, said):
    assert essence(lines) == said
