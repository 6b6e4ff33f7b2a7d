"""`headway import`: what it reads, what it tells, and how it ends."""

import io
import json
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from cli import import_feed as importing
from cli.__main__ import main
from cli.import_feed import STEPS, Import, bar, create_layouts, import_feed, import_of, settled, slug, summary, zipped
from cli.outcomes import BreakdownError, SetupError
from cli.running import open_client

FEED: dict[str, Any] = {
    "state": "published",
    "operator_id": "ferries",
    "counts": {"stops": 6, "routes": 1, "departures": 21, "calls": 84},
    "changes": {"added": 14, "changed": 0, "withdrawn": 7, "unchanged": 7},
    "problems": [],
    "problems_total": 0,
    "withheld_departure_ids": [],
    "on_sale_until": "2030-01-13",
}


def problem(number: int) -> dict[str, Any]:
    return {"severity": "error", "file": "trips.txt", "line": number, "field": "route_id", "reason": "No such route."}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "stops.txt").write_text("stop_id\n")
    (tmp_path / "agency.txt").write_text("agency_id\n")
    (tmp_path / "README.md").write_text("not of the feed")
    (tmp_path / "layouts.json").write_text(json.dumps({"F1": {"name": "Deck", "seats": []}}))
    return tmp_path


def test_a_folder_is_zipped_alike_each_time_and_brings_its_layouts(folder: Path) -> None:
    assert zipped(folder) == zipped(folder)
    read = import_of(folder, operator_id="", days=7)
    with zipfile.ZipFile(io.BytesIO(read.content)) as archive:
        assert archive.namelist() == ["agency.txt", "stops.txt"]
    assert read.layouts["F1"]["name"] == "Deck"
    assert read.form == {"days": "7"}


def test_options_that_were_not_given_are_not_sent(folder: Path) -> None:
    options = {"from": "2030-01-07", "lay_on": None, "skip_bad": True, "dry_run": False}
    assert import_of(folder, operator_id="x", **options).form == {"from": "2030-01-07", "skip_bad": "true"}


def test_each_run_of_the_command_is_an_import_of_its_own(folder: Path) -> None:
    assert import_of(folder, operator_id="x").key != import_of(folder, operator_id="x").key


def test_nothing_that_was_said_is_taken_for_nothing(folder: Path) -> None:
    assert import_of(folder, operator_id="x", days=0).form == {"days": "0"}


@pytest.mark.parametrize(
    ("name", "operator"), [("BART 2018.v2", "bart_2018_v2"), ("--", "operator"), ("a" * 99, "a" * 64)]
)
def test_an_operator_is_named_after_the_file(name: str, operator: str) -> None:
    assert slug(name) == operator


def test_a_file_that_is_not_there_is_said_in_plain_words(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match=r"none\.zip cannot be read: No such file"):
        import_of(tmp_path / "none.zip", operator_id="")


def test_the_summary_tells_what_is_on_sale_and_what_differs() -> None:
    told = summary(FEED)
    assert told[0] == "ferries: 6 stops, 1 routes, 21 departures, 84 calls, on sale until 2030-01-13"
    assert told[1] == "Departures: 14 added, 0 changed, 7 withdrawn, 7 unchanged"
    assert "dry run" in summary(FEED | {"on_sale_until": None})[0]
    assert "dep_1, dep_2" in summary(FEED | {"withheld_departure_ids": ["dep_1", "dep_2"]})[-1]


def test_the_first_problems_are_told_and_the_rest_counted() -> None:
    told = summary(FEED | {"state": "rejected", "problems": [problem(n) for n in range(50)], "problems_total": 230})
    assert told[0] == "error: trips.txt:0 route_id: No such route."
    assert told[-2] == "... and 210 more"
    assert told[-1].startswith("Rejected: nothing has changed.")


def test_a_bar_fills() -> None:
    assert bar({"step": "laying_out", "done": 0, "total": 7}).count("#") == 0
    assert bar({"step": "laying_out", "done": 7, "total": 7}).endswith("[##############################] 7/7")
    assert bar({"step": "reading", "done": 0, "total": 0}).startswith("Reading")


async def test_no_answer_is_told_in_a_sentence() -> None:
    running = {"gateway_url": "http://127.0.0.1:9", "admin": {"client_id": "c", "client_secret": "s"}}
    with pytest.raises(SetupError, match=r"http://127\.0\.0\.1:9 gives no answer \(ConnectError\)\."):
        await import_feed(running, Import(b"", "ferries", {}, {}), print)


def test_a_system_that_has_gone_ends_the_command_with_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = {"gateway_url": "http://127.0.0.1:9", "admin": {"client_id": "c", "client_secret": "s"}}
    (tmp_path / "ready.json").write_text(json.dumps(told))
    assert main(["import", "--sample", "--data-dir", str(tmp_path)]) == 2
    assert "gives no answer" in capsys.readouterr().err


LAID_OUT: list[dict[str, Any]] = [
    {"state": "importing", "progress": None},
    *({"state": "importing", "progress": {"step": "laying_out", "done": n, "total": 2}} for n in (0, 1)),
    {"state": "published", "progress": None},
]
"""A feed that is read, then laid out, then published, without progress at the end."""


@contextmanager
def gateway(*answers: dict[str, Any]) -> Iterator[str]:
    """Play a gateway that gives one answer after the other, and the last for ever."""
    left = list(answers)

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer = left.pop(0) if len(left) > 1 else left[0]
            body = json.dumps(answer).encode()
            self.send_response(answer.get("status", 200))
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("is_terminal", [False, True])
async def test_progress_is_a_bar_on_a_terminal_and_steps_elsewhere_and_never_goes_back(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], is_terminal: bool
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: is_terminal)
    said: list[str] = []
    with gateway(*LAID_OUT) as url:
        async with open_client(url) as client:
            assert (await settled(client, "fed_1", said.append))["state"] == "published"
    drawn = capsys.readouterr().out.split("\r\x1b[K")
    assert said == ([] if is_terminal else [f"{STEPS[step]} ..." for step in ["laying_out"]])
    assert [line[-4:].strip() for line in drawn[1:]] == (["0/2", "1/2"] if is_terminal else [])


async def test_an_import_that_stands_still_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importing, "PATIENCE_SECONDS", 0.0)
    with gateway(*LAID_OUT[:2]) as url:
        async with open_client(url) as client:
            with pytest.raises(SetupError, match=f"got no further in 0 seconds.* Ask for it at {url}/v1/feeds/fed_1"):
                await settled(client, "fed_1", print)


async def test_a_part_that_starts_again_meanwhile_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importing, "POLL_SECONDS", 0.0)
    away, gone = ({"status": status, "detail": "Away.", "retryable": status == 503} for status in (503, 404))
    for answers in ([away, *LAID_OUT], [LAID_OUT[1], away, away, LAID_OUT[-1]]):
        with gateway(*answers) as url:
            async with open_client(url) as client:
                assert (await settled(client, "fed_1", print))["state"] == "published"
    monkeypatch.setattr(importing, "PATIENCE_SECONDS", 0.0)
    for answer, failure in ((away, SetupError), (gone, BreakdownError)):
        with gateway(answer) as url:
            async with open_client(url) as client:
                with pytest.raises(failure):
                    await settled(client, "fed_1", print)


async def test_layouts_are_looked_for_on_every_page() -> None:
    pages = [
        {"items": [{"name": "Coach", "id": "lay_1"}], "next_cursor": "more"},
        {"items": [{"name": "Deck", "id": "lay_2"}], "next_cursor": None},
    ]
    with gateway(*pages) as url:
        async with open_client(url) as client:
            wanted = Import(b"", "ferries", {"F1": {"name": "Deck", "seats": []}}, {})
            assert await create_layouts(client, wanted) == {"F1": "lay_2"}
