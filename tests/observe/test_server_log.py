"""Each form of a line, and a log that stays small."""

import json
import logging
import os
import sys

from wildsage.observe import server_log
from wildsage.observe.server_log import BoundedLog, JsonLines, TextLines, log_to


def record(**options):
    return logging.makeLogRecord(
        {
            "name": "wildsage.x",
            "levelname": "INFO",
            "msg": "it is\n%s",
            "args": ("so",),
            "created": 0.5,
            **options,
        }
    )


def test_json_is_one_line_with_the_fields_of_the_event():
    line = JsonLines().format(record(fields={"status": 200, "code": None}))
    assert "\n" not in line
    assert json.loads(line) == {
        "time": "1970-01-01T00:00:00.500Z",
        "level": "info",
        "logger": "wildsage.x",
        "message": "it is\nso",
        "status": 200,
        "code": None,
    }


def test_a_traceback_is_part_of_the_line():
    try:
        raise KeyError("why")
    except KeyError:
        line = JsonLines().format(record(exc_info=sys.exc_info()))
    assert "\n" not in line
    assert "KeyError: 'why'" in json.loads(line)["traceback"]


def test_text_cannot_be_broken_by_what_a_client_sent():
    line = TextLines().format(record(args=("so\r\n1970 INFO forged",), fields={"status": 200, "code": None}))
    assert line == "1970-01-01T00:00:00.500Z INFO wildsage.x: it is\\nso\\r\\n1970 INFO forged status=200"


def test_the_level_is_ours_alone(tmp_path, capsys, monkeypatch):
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", [])
    monkeypatch.setattr(root, "level", root.level)
    monkeypatch.setattr(logging.getLogger("wildsage"), "level", 0)
    log_to(tmp_path / "server.log", "json", "debug")
    logging.getLogger("wildsage.some.room").debug("ours")
    logging.getLogger("botocore.hooks").info("theirs")
    assert [json.loads(line)["message"] for line in capsys.readouterr().err.splitlines()] == ["ours"]


def test_the_log_of_a_background_server_moves_on_when_it_is_large(tmp_path, monkeypatch):
    monkeypatch.setattr(server_log, "LARGEST_LOG", 1000)
    path = tmp_path / "server.log"
    with path.open("a") as stream:
        monkeypatch.setattr("sys.stderr", stream)
        handler = BoundedLog(path)
        for number in range(100):
            handler.handle(logging.makeLogRecord({"msg": f"line {number:03} {'x' * 90}"}))
        os.write(stream.fileno(), b"the last words\n")
    kept = (tmp_path / "server.log.1").read_text() + path.read_text()
    assert "line 099" in kept
    assert kept.endswith("the last words\n")
    assert len(kept) < 3000


def test_what_is_not_the_log_is_left_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(server_log, "LARGEST_LOG", 10)  # looked at after each line
    terminal, path = tmp_path / "terminal", tmp_path / "server.log"
    path.write_text("of an earlier server, which was a longer one")
    with terminal.open("a") as stream:
        monkeypatch.setattr("sys.stderr", stream)
        BoundedLog(path).handle(logging.makeLogRecord({"msg": "more than ten bytes"}))
    assert terminal.read_text() == "more than ten bytes\n"
    assert path.read_text() == "of an earlier server, which was a longer one"
