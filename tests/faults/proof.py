"""Write the figures of the last `make prove-quick` or `make prove` into docs/proof.md: python -m tests.faults.proof."""

import json
import platform
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from cli.stack import find_nats_server
from tests import servers
from tests.faults.points import ROOT, fault_points

FIGURES = ROOT / "build" / "proof"
FAILED = FIGURES / "FAILED"
PROOF = ROOT / "docs" / "proof.md"
BEGIN, END = "<!-- figures -->", "<!-- end of figures -->"
PACKAGES = ("grpcio", "fastapi", "sqlalchemy", "schemathesis")

Figures = list[dict[str, Any]]
Row = tuple[str, int, str]


def kept(name: str, *, since: float = 0.0) -> Figures:
    """Read what tests have kept under names that begin so."""
    files = sorted(FIGURES.glob(f"{name}*.json"))
    return [json.loads(file.read_text()) for file in files if file.stat().st_mtime >= since]


def total(figures: Figures, name: str) -> int:
    return sum(one[name] for one in figures)


def counted(figures: Iterable[dict[str, Any]], name: str) -> str:
    counts = sum((Counter(one[name]) for one in figures), Counter[str]())
    return ", ".join(f"{what} {count:,}" for what, count in sorted(counts.items()))


def of_lives(lives: Figures) -> list[Row]:
    """Tell what happened while everything was broken."""
    slowest = max(one["recovery_seconds"] for one in lives)
    return [
        ("kill -9 while riders book", total(lives, "kills"), counted(lives, "killed")),
        ("other faults meanwhile", sum(sum(one["broken"].values()) for one in lives), counted(lives, "broken")),
        ("fault points passed, of all", len({point for one in lives for point in one["hit"]} & set(fault_points())),
         f"{len(fault_points())} in all"),
        ("bookings: none oversold, no acknowledged one lost", total(lives, "bookings"),
         f"in {len(lives)} lives, {sum(one['is_on_postgresql'] for one in lives)} on PostgreSQL,"
         f" {sum(one['has_links'] for one in lives)} with a proxy between all parts"),
        ("charges: none doubled, none without its booking", total(lives, "charges"),
         f"{total(lives, 'refunds'):,} refunds"),
        ("events: each in its stream once, in order", total(lives, "events"), ""),
        ("points of devices: none lost or doubled", total(lives, "points"), ""),
        ("times that all was consistent within 60 s of the last fault", len(lives), f"{slowest} s at most"),
    ]  # fmt: skip


def of_guards(guards: Figures) -> list[Row]:
    found = guards[0]["guards"]
    return [("guards switched off, each noticed by its own message", len(found), ", ".join(found))]


def of_tokens(tokens: Figures) -> list[Row]:
    doors = total(tokens, "operations") + total(tokens, "rpcs")
    return [("forged tokens x operations and RPCs", total(tokens, "kinds") * doors,
             f"{total(tokens, 'kinds')} kinds, {doors} doors")]  # fmt: skip


SUBJECTS: tuple[tuple[str, Callable[[Figures], list[Row]]], ...] = (
    ("life-", of_lives),
    ("interleavings-", lambda found: [
        ("seeded interleavings equal to the model", total(found, "seeds"),
         f"{total(found, 'transactions'):,} transactions")]),
    ("guards", of_guards),
    ("rest-", lambda found: [("generated REST calls: no 5xx, nothing undocumented", total(found, "calls"),
                              f"{len(found)} kinds of callers")]),
    ("grpc-", lambda found: [("malformed gRPC: no crash, no INTERNAL or UNKNOWN", total(found, "requests"),
                              counted(found, "codes"))]),
    ("frames-", lambda found: [("broken connections: others are served as ever a moment later",
                                total(found, "connections"), f"{len(found)} ways")]),
    ("tokens", of_tokens),
    ("roles-", lambda found: [("cells of roles x operations and RPCs", total(found, "cells"), "")]),
    ("own-", lambda found: [("cells of one's own things that are there", total(found, "cells"), "")]),
    ("foreign-", lambda found: [("cells of foreign and absent things told alike", total(found, "cells"), "")]),
    ("full-disk", lambda found: [("bookings on a disk that was full for a while", total(found, "bookings"), "")]),
    ("power-cut-", lambda found: [("power cuts of SQLite, NATS and the ledger at once", len(found),
                                   f"{total(found, 'bookings'):,} bookings")]),
    ("postgresql-cut-", lambda found: [("power cuts of PostgreSQL", len(found),
                                        f"{total(found, 'bookings'):,} bookings")]),
)  # fmt: skip


def rows(since: float = 0.0) -> list[Row]:
    """Tell how often each thing was tried; what was not tried is left out."""
    return [row for name, of in SUBJECTS if (found := kept(name, since=since)) for row in of(found)]


def bound(count: int) -> str:
    """Give the rate of failures that no failure in so many tries leaves possible, with 95 % confidence."""
    return f"{3 / count:.2g}" if count >= 30 else "-"


def conditions() -> str:
    said = [f"{name} {version(name)}" for name in PACKAGES]
    said.append(output(find_nats_server({}), "--version").replace(": v", " "))
    if binaries := servers.postgres_binaries():
        said.append(output(binaries / "postgres", "--version"))
    seeds = sorted({one["seed"] for one in kept("life-")})
    lines = [f"Seeds {seeds[0]} to {seeds[-1]}" if seeds else "No lives", f"{datetime.now(UTC):%Y-%m-%d}",
             f"commit {output('git', '-C', ROOT, 'rev-parse', '--short', 'HEAD')}",
             f"Python {platform.python_version()}", *said]  # fmt: skip
    return "; ".join(lines) + "."


def output(*command: str | Path) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def main() -> int:
    if FAILED.exists():
        print("The last run failed: there is nothing to write down.")
        return 1
    table = [f"| {what} | {count:,} | {bound(count)} | {more} |" for what, count, more in rows()]
    lines = [
        BEGIN,
        "",
        conditions(),
        "",
        "| what | how often, all well | at most, with 95 % | |",
        "|---|---|---|---|",
        *table,
        "",
        END,
    ]
    before, _, rest = PROOF.read_text().partition(BEGIN)
    PROOF.write_text(before + "\n".join(lines) + rest.partition(END)[2])
    return 0


if __name__ == "__main__":
    sys.exit(main())
