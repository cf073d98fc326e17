"""Whole runs: a real supervisor process around real containers."""


def test_a_run_that_does_nothing_completes(run):
    record = run.carry("noop")
    assert (record.outcome, record.exit_code, record.stop_reason) == ("completed", 0, None)
    assert run.kinds()[0] == "started"
    assert run.kinds().index("launched") < run.kinds().index("exited")
    assert [event.sequence for event in run.folder.events()] == list(range(1, len(run.kinds()) + 1))
    assert run.lines() == []
    assert (run.folder.path / "supervisor.log").read_text() == ""


def test_output_goes_to_the_log_and_files_to_the_model(run):
    record = run.carry("echo", config_files={"hyperparameters.json": '{"a": "1"}\n'})
    assert record.outcome == "completed"
    assert run.lines() == ['{"a": "1"}', "hello from algo-1"]
    assert record.log_tail == tuple(run.lines())


def test_a_crash_reports_code_failure_file_and_last_lines(run):
    record = run.carry("crash")
    assert (record.outcome, record.exit_code) == ("failed", 2)
    assert record.failure == "ValueError: the learning rate is negative"
    assert record.log_tail == ("Traceback: something broke",)


def test_a_command_that_is_not_there_ends_with_127(run):
    record = run.carry("noop", command="absent")
    assert (record.outcome, record.exit_code) == ("failed", 127)
    assert "absent" in record.log_tail[-1]


def test_a_container_that_ignores_sigterm_is_killed_after_the_grace(run):
    run.start("hang")
    run.wait_for("launched")
    run.folder.request_stop()
    record = run.wait()
    assert (record.outcome, record.exit_code, record.stop_reason) == ("stopped", 137, "requested")
    assert "SIGTERM? no." in run.lines()


def test_the_longest_runtime_ends_a_run(run):
    record = run.carry("hang", max_runtime_seconds=0.3)
    assert (record.outcome, record.stop_reason) == ("stopped", "max_runtime")
    assert 0.3 <= record.billable_seconds < 5
