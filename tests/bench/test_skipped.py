"""What a machine does not have is skipped, and told; it is no failure, and nothing is written of it."""

import json
import subprocess
import sys

import pytest

import bench.__main__ as bench
from bench import hot_departure, report


def test_a_measurement_without_its_database_is_skipped(monkeypatch, capsys):
    monkeypatch.setattr(hot_departure, "postgres_binaries", lambda: None)
    with pytest.raises(SystemExit) as ended, hot_departure.server("postgresql"):
        pass
    assert ended.value.code == report.SKIPPED
    assert capsys.readouterr().out.startswith("skipped: PostgreSQL")


@pytest.mark.parametrize(("code", "is_failed"), [(report.SKIPPED, 0), (1, 1)])
def test_what_is_skipped_fails_nothing(monkeypatch, capsys, tmp_path, code, is_failed):
    def run(command, **_):
        return subprocess.CompletedProcess(command, code, stdout="something\nskipped: no such database\n")

    monkeypatch.setattr(bench, "KEPT", tmp_path / "kept")
    monkeypatch.setattr(bench, "PAGE", tmp_path / "page.md")
    monkeypatch.setattr(bench.subprocess, "run", run)
    monkeypatch.setattr(sys, "argv", ["bench", "B1"])
    assert bench.main() == is_failed
    assert "skipped: no such database" in capsys.readouterr().out
    assert not list(tmp_path.rglob("*.json"))


def test_a_goal_that_is_no_ratio_is_shown_beside_its_figure(monkeypatch, tmp_path):
    monkeypatch.setattr(bench, "KEPT", tmp_path)
    found = report.Report(
        "B1", "holds/s", 3000.0, goals={"B1:peer": 8.0, "p99_ms_at_most": 50.0}, checks={"right": True}
    )
    page = bench.section(json.loads(found.line()))
    assert "- goal: p99 ms at most 50.0" in page
    assert "B1:peer" not in page
