"""Logs: one JSON line an outcome, whatever is said in it and by whom."""

import json
import logging
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from chassis import logs
from chassis.logs import EventLog, JsonLines


@pytest.fixture
def written():
    """Return what has been logged, as lines."""
    lines = []
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(json.loads(JsonLines().format(record)))
    logging.getLogger().addHandler(handler)
    logging.getLogger("x").setLevel("INFO")
    yield lines
    logging.getLogger().removeHandler(handler)


def test_a_line_says_what_happened_where_and_when(written):
    EventLog("x").info("hold_taken", booking="bkg_1", seats=2)
    [line] = written
    assert line | {"at": ""} == {
        "at": "",
        "level": "info",
        "logger": "x",
        "event": "hold_taken",
        "booking": "bkg_1",
        "seats": 2,
    }
    assert abs((datetime.now(UTC) - datetime.fromisoformat(line["at"])).total_seconds()) < 5
    assert line["at"].endswith("+00:00")


def test_a_line_belongs_to_the_request_that_caused_it(written):
    token = logs.request_id.set("req_1")
    EventLog("x").warning("slow")
    logs.request_id.reset(token)
    EventLog("x").warning("slow")
    assert [line.get("request_id") for line in written] == ["req_1", None]


def test_a_bug_is_logged_with_its_trace_on_one_line(written):
    try:
        raise ValueError("two\nlines")
    except ValueError:
        EventLog("x").bug("rpc_failed")
    [line] = written
    assert line["level"] == "error"
    assert "ValueError: two\nlines" in line["trace"]


def test_what_libraries_say_has_the_same_form(written):
    logging.getLogger("some.library").warning("%s of %s", 1, "two")
    assert [line["event"] for line in written] == ["1 of two"]


@pytest.mark.parametrize("value", [b"\xff", object(), {1, 2}, "\ud800", "two\nlines", Path("x"), datetime.now(UTC)])
def test_no_value_breaks_a_line(written, value):
    EventLog("x").info("odd", value=value)
    [line] = written
    assert line["event"] == "odd"
    assert "value" in line


PROGRAM = """
import logging
from chassis import logs
logs.configure("INFO")
logs.EventLog("x").info("begun", n=1)
logging.getLogger("httpx2").info("GET https://example.com/?secret=1")
logging.getLogger("alembic").info("Running upgrade")
logging.getLogger("y").debug("quiet")
"""


def test_a_process_logs_to_standard_error_and_leaves_the_noise_out():
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2]
    )
    assert done.stdout == ""
    assert [json.loads(line)["event"] for line in done.stderr.splitlines()] == ["begun"]
