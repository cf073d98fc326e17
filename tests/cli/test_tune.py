"""What `wildsage tune` says of a tuning job; that it follows a real one: tests/test_tuning.py."""

from datetime import UTC, datetime

import pytest

from wildsage.cli.tune import Lines, Screen, course, screen

AT = datetime(2026, 1, 1, tzinfo=UTC)


def trial(number, status="Completed", value=None, **point):
    ended = {} if status == "InProgress" else {"TrainingEndTime": AT.replace(minute=number)}
    final = {} if value is None else {"FinalHyperParameterTuningJobObjectiveMetric": {"Value": value}}
    return {
        "TrainingJobName": f"t-{number:03d}",
        "TrainingJobStatus": status,
        "TunedHyperParameters": point,
        **ended,
        **final,
    }


def job(status="InProgress", best=None, goal="Minimize", **counts):
    counters = dict.fromkeys(("Completed", "InProgress", "Stopped", "RetryableError", "NonRetryableError"), 0)
    return {
        "HyperParameterTuningJobName": "t",
        "HyperParameterTuningJobStatus": status,
        "HyperParameterTuningJobConfig": {
            "Strategy": "Bayesian",
            "HyperParameterTuningJobObjective": {"Type": goal, "MetricName": "loss"},
            "ResourceLimits": {"MaxNumberOfTrainingJobs": 9, "MaxParallelTrainingJobs": 2},
        },
        "TrainingJobStatusCounters": counters | counts,
        "ConsumedResources": {"RuntimeInSeconds": 12},
        **({} if best is None else {"BestTrainingJob": best}),
    }


TRIALS = [
    trial(1, value=2.0, x="0.123456789", colour="red"),
    trial(2, value=1.0, x="1e-06", n="4"),
    trial(3, "Failed", x="1"),
    trial(4, "InProgress", x="2"),
]


def test_a_screen_has_what_runs_then_the_best():
    said = screen(job(best=TRIALS[1], Completed=2, InProgress=1, NonRetryableError=1), TRIALS, 80, 24)
    assert said == [
        "t: Bayesian search, minimize loss, up to 9 training jobs, 2 at once",
        "InProgress after 12 s: 2 completed, 1 running, 1 failed",
        "best 1  t-002  n=4 x=1e-06",
        "best so far 2 █▁ 1",
        "",
        "TRAINING JOB  STATUS      OBJECTIVE  colour  n  x",
        "t-004         InProgress  -          -       -  2",
        "t-002         Completed   1          -       4  1e-06",
        "t-001         Completed   2          red     -  0.1235",
        "t-003         Failed      -          -       -  1",
    ]


def test_the_greatest_is_the_best_where_it_is_maximized():
    said = screen(job(goal="Maximize"), TRIALS, 80, 24)
    assert [line.split()[0] for line in said[-4:]] == ["t-004", "t-001", "t-002", "t-003"]


def test_what_does_not_fit_is_counted():
    said = screen(job(), TRIALS, 80, 7)
    assert (len(said), said[-2].split()[0], said[-1]) == (7, "t-004", "… and 3 more")
    assert len(screen(job(), TRIALS, 80, 8)) == 8
    assert screen(job(), TRIALS, 80, 9)[-1].startswith("t-003")


@pytest.mark.parametrize("lines", range(1, 6))
def test_a_low_terminal_has_the_summary(lines):
    assert len(screen(job(), TRIALS, 80, lines)) == lines


def test_a_narrow_terminal_has_names_without_what_all_begin_with():
    said = screen(job(), TRIALS, 48, 24)
    assert said[0] == "t: Bayesian search, minimize loss, up to 9 trai…"
    assert said[-4] == "…004          InProgress  -          -       -  2"[:47] + "…"
    assert max(map(len, said)) <= 48


def test_a_text_does_not_move_the_cursor():
    assert "a�[2Jb" in screen(job(), [trial(1, value=1.0, colour="a\x1b[2Jb")], 80, 24)[-1]


def test_a_long_course_is_thinned_out():
    trials = [trial(number, value=60.0 - number, x="1") for number in range(60)]
    (line,) = course(job(), trials)
    assert line.startswith("best so far 60 █")
    assert line.endswith("▁ 1")
    assert len(line.split()[-2]) == 40


def test_a_screen_is_left_as_it_was_with_the_last_picture_below(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "25")
    monkeypatch.setenv("LINES", "10")
    with Screen() as show:
        show(job(), TRIALS[:1])
        assert capsys.readouterr().out.startswith("\x1b[?1049h\x1b[Ht: Bayesian search, min…\x1b[K\r\n")
        show(job("Completed", Completed=1), TRIALS[:1])
        drawn = capsys.readouterr().out
        assert drawn.startswith("\x1b[H")
        assert drawn.endswith("\x1b[J")
    assert capsys.readouterr().out.startswith(
        "\x1b[?1049lt: Bayesian search, min…\nCompleted after 12 s: 1…\n"
    )


def test_what_is_over_at_the_first_look_is_only_printed(capsys):
    with Screen() as show:
        show(job("Completed", Completed=1), TRIALS[:1])
    assert "\x1b" not in capsys.readouterr().out


def test_lines_say_each_end_once(capsys):
    show = Lines()
    show(job(), TRIALS[:1])
    show(job(), TRIALS)
    show(job("Completed", best=TRIALS[1], Completed=2), TRIALS)
    said = capsys.readouterr().out.splitlines()
    assert said == [
        "t: Bayesian search, minimize loss, up to 9 training jobs, 2 at once",
        "t-001  Completed  2  colour=red x=0.1235  best so far",
        "t-002  Completed  1  n=4 x=1e-06  best so far",
        "t-003  Failed  x=1",
        "t: Bayesian search, minimize loss, up to 9 training jobs, 2 at once",
        "Completed after 12 s: 2 completed",
        "best 1  t-002  n=4 x=1e-06",
    ]


def test_nothing_runs_yet(capsys):
    show = Lines()
    show(job(), [])
    show(job(), [])
    assert screen(job(), [], 80, 3)[1] == "InProgress after 12 s: nothing runs yet"
    assert capsys.readouterr().out.count("\n") == 1
