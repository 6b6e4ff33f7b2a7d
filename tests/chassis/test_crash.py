"""A writer that is killed at the worst moments loses nothing it acknowledged and does nothing twice."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import sqlalchemy as sa

from chassis.database import Database
from tests.chassis.shelf import create_tables, things

NUMBERS_A_LIFE = 120
PLANS = [f"writer.{point}_commit:kill:{nth}" for nth in (1, 2, 5) for point in ("before", "after")]
KILLED_FROM_OUTSIDE = 6


@dataclass
class Lives:
    """The process that is killed, and what it has acknowledged over all its lives."""

    process: subprocess.Popen[str]
    url: str
    acknowledged: set[str] = field(default_factory=set)

    def live(self, numbers: list[int], *, faults: str = "", kill_after: int | None = None) -> int:
        """Live until the end, or until some acknowledgements have arrived; return the exit status."""
        life = {"url": self.url, "faults": faults, "numbers": numbers, "ends": kill_after is None}
        self.process.stdin.write(json.dumps(life) + "\n")
        self.process.stdin.flush()
        pid, heard = 0, 0
        for line in self.process.stdout:
            event, value = line.split()
            if event == "dead":
                return int(value)
            if event == "born":
                pid = int(value)
            else:
                self.acknowledged.add(value)
                heard += 1
            if heard == kill_after:
                time.sleep(random.random() / 500)
                os.kill(pid, signal.SIGKILL)
                kill_after = None
        raise AssertionError("The process that forks the lives has ended.")


@contextmanager
def lives(url: str) -> Iterator[Lives]:
    command = [sys.executable, "-m", "tests.chassis.crashing_writer"]
    root = Path(__file__).parents[2]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, cwd=root, text=True, **pipes) as process:
        yield Lives(process, url)


def stored(url: str) -> list[str]:
    database = Database(url)
    with database.reader.connect() as connection:
        found = list(connection.execute(sa.select(things.c.name).order_by(things.c.name)).scalars())
    database.close()
    return found


def test_what_is_acknowledged_survives_every_kill_and_repeats_have_no_second_effect(database_url):
    asked: list[int] = []
    stored_unacknowledged = 0
    database = Database(database_url)
    create_tables(database)
    database.close()
    with lives(database_url) as writer:
        for plan in [*PLANS, *[None] * KILLED_FROM_OUTSIDE]:
            unanswered = [number for number in asked if f"{number:06}" not in writer.acknowledged]
            new = list(range(len(asked), len(asked) + NUMBERS_A_LIFE))
            asked += new
            how = {"faults": plan} if plan else {"kill_after": random.randrange(100)}
            assert writer.live(unanswered + new, **how) == -signal.SIGKILL
            found = stored(database_url)
            assert writer.acknowledged <= set(found)
            assert len(found) == len(set(found))
            stored_unacknowledged += len(set(found) - writer.acknowledged)
        assert stored_unacknowledged > 0  # else no repeat was put to the test
        assert writer.live(asked) == 0
    assert stored(database_url) == [f"{number:06}" for number in asked]
    assert writer.acknowledged == {f"{number:06}" for number in asked}
