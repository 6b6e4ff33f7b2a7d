"""`headway import` on the running system, as an operator types it."""

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.booking_svc.small_feed import Run, small_feed
from tests.system.journey import checked
from tests.system.running_stack import ROOT, Stack, admin, client


def headway_import(stack: Stack, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "cli", "import", "--data-dir", str(stack.folder), *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)


def folder_of(tmp_path: Path, **runs: Run) -> Path:
    folder = tmp_path / "Ferry Lines"
    folder.mkdir(exist_ok=True)
    for name, text in small_feed(**runs).texts().items():
        (folder / name).write_text(text.replace("20300101", "20200101"))
    return folder


def test_a_folder_goes_on_sale_and_a_second_import_is_a_diff(stack: Stack, tmp_path: Path) -> None:
    tomorrow = (datetime.now(UTC).date() + timedelta(days=1)).isoformat()
    window = ("--from", tomorrow, "--days", "3")
    done = headway_import(stack, str(folder_of(tmp_path)), *window)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    assert "ferry_lines: 6 stops, 1 routes, 9 departures, 36 calls, on sale until" in done.stdout
    found = listed(stack)
    assert len(found) == 9
    dry = headway_import(stack, str(folder_of(tmp_path, t1=Run("08:05"))), *window, "--dry-run")
    assert "Departures: 0 added, 3 changed, 6 withdrawn, 0 unchanged" in dry.stdout
    assert listed(stack) == found
    real = headway_import(stack, str(folder_of(tmp_path, t1=Run("08:05"))), *window)
    assert "Departures: 0 added, 3 changed, 6 withdrawn, 0 unchanged" in real.stdout
    back = headway_import(stack, str(folder_of(tmp_path)), *window)
    assert "Departures: 0 added, 9 changed, 0 withdrawn, 0 unchanged" in back.stdout


def listed(stack: Stack) -> list[Any]:
    with client(stack) as anybody:
        query = {"operator_id": "ferry_lines", "limit": 200}
        return list(checked(anybody.get("/departures", params=query), 200)["items"])


def test_a_folder_s_layouts_are_made_once_and_given_to_its_routes(stack: Stack, tmp_path: Path) -> None:
    folder = folder_of(tmp_path)
    (folder / "layouts.json").write_text(
        '{"r1": {"name": "Deck", "seats": [{"id": "P1", "row": 1, "column": 1, "features": ["deck"]}]}}'
    )
    for _ in range(2):
        done = headway_import(stack, str(folder), "--operator", "decks", "--days", "2")
        assert done.returncode == 0, done.stdout + done.stderr
    with admin(stack) as operator:
        layouts = checked(operator.get("/layouts", params={"operator_id": "decks"}), 200)["items"]
        assert [one["name"] for one in layouts].count("Deck") == 1
        found = checked(operator.get("/departures", params={"operator_id": "decks"}), 200)["items"]
    assert {one["capacity"] for one in found} == {1}


def test_a_faulty_feed_ends_with_1_and_says_where_it_is_wrong(stack: Stack, tmp_path: Path) -> None:
    folder = folder_of(tmp_path)
    (folder / "trips.txt").write_text("route_id,service_id,trip_id\nr9,daily,t1\n")
    done = headway_import(stack, str(folder), "--operator", "faulty")
    assert done.returncode == 1
    assert "error: trips.txt:2 route_id:" in done.stdout
    assert "nothing has changed" in done.stdout
    broken = tmp_path / "broken.zip"
    broken.write_bytes(b"not a zip")
    done = headway_import(stack, str(broken))
    assert (done.returncode, "not a GTFS feed" in done.stdout) == (1, True)


def test_without_a_running_system_it_ends_with_2(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "cli", "import", str(folder_of(tmp_path)), "--data-dir", str(tmp_path / "none")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, "headway up" in done.stderr) == (2, True)
