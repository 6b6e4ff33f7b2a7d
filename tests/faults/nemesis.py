"""Breaks a running system as its plan says."""

import asyncio
import os
import re
import shutil
import signal
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from random import Random

from tests.faults.links import Links
from tests.faults.plans import DEATHS_MAX, Plan
from tests.faults.points import PROCESSES
from tests.faults.riders import Market
from tests.servers import PostgresServer
from tests.system.broken_parts import dead, is_dead
from tests.system.running_stack import Stack

PAUSE_SECONDS = 2.5
"""When nothing gets on, the next thing breaks all the same."""
WINDOW_SECONDS = 62.0
END = re.compile(r"^(\w+) has ended \((.+)\)", re.MULTILINE)
CLOCK_SECONDS = 10.0
"""How far a clock is stepped at most: two are then within the half minute that tokens between services allow."""
LINK_FAULTS = ("slow", "cut", "half open")
FROZEN_SECONDS = 8.0
"""Longer than the six seconds after which a silent broker is given up."""


class Nemesis:
    """Kills, freezes and robs while others work."""

    def __init__(
        self, plan: Plan, stack: Stack, market: Market, chance: Random, *, clocks: Path, links: Links | None,
        database: PostgresServer | None,
    ) -> None:  # fmt: skip
        self._plan, self._stack, self._market, self._chance = plan, stack, market, chance
        self._clocks, self._links, self._server = clocks, links, database
        self._seen_at: dict[tuple[str, int], float] = {}
        self.done: Counter[str] = Counter()

    def ends(self) -> list[tuple[str, str]]:
        """List who has ended and how, as `headway up` has noticed."""
        output = self._stack.folder.parent / f"{self._stack.folder.name}.out"
        found: list[tuple[str, str]] = END.findall(output.read_text())
        for name, count in Counter(name for name, _ in found).items():
            for number in range(count):
                self._seen_at.setdefault((name, number), time.monotonic())
        return found

    def deaths(self) -> Counter[str]:
        """Count by process who was killed."""
        return Counter(name for name, how in self.ends() if how == "SIGKILL")

    def may_die(self, name: str) -> bool:
        """Tell whether `headway up` would start a process again."""
        self.ends()
        recent = sum(
            1 for (who, _), at in self._seen_at.items() if who == name and at > time.monotonic() - WINDOW_SECONDS
        )
        return recent < DEATHS_MAX

    async def run(self) -> None:
        """Break things one after the other, spread over what is to be sold."""
        acts = [("kill", name) for name in self._plan.kills] + [("broker", how) for how in self._plan.broker]
        acts += [("clock", package) for package in PROCESSES.values()]
        if self._links is not None:
            acts += [("link", how) for how in LINK_FAULTS] * 2
        if self._server is not None:
            acts += [("database", "")] * 2
        self._chance.shuffle(acts)
        for place, (kind, what) in enumerate(acts):
            await self._until(0.9 * (place + 1) / (len(acts) + 1))
            await getattr(self, f"_{kind}")(what)
            self.done[f"{kind} {what}".strip() if kind in ("broker", "link") else kind] += 1

    async def _until(self, progress: float) -> None:
        await waited(lambda: self._market.progress >= progress, seconds=PAUSE_SECONDS)

    async def _kill(self, name: str) -> None:
        await waited(lambda: self.may_die(name), seconds=WINDOW_SECONDS)
        before = self.deaths()[name]

        def is_dead_once_more() -> bool:
            # Whoever is dead already is killed when he is back.
            with suppress(ProcessLookupError):
                os.kill(self._stack.pid(name), signal.SIGKILL)
            return self.deaths()[name] > before

        await waited(is_dead_once_more, seconds=5)

    async def _broker(self, how: str) -> None:
        """Freeze the broker, keep it dead for a while, or take all its data."""
        if how == "frozen":
            pid = self._stack.pid("nats")
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)
                await asyncio.sleep(FROZEN_SECONDS)
                os.kill(pid, signal.SIGCONT)
        else:
            await waited(lambda: self.may_die("nats"), seconds=WINDOW_SECONDS)
            if is_dead(self._stack.pid("nats")):
                await asyncio.sleep(1)
            with dead(self._stack, "nats"):
                if how == "robbed":
                    shutil.rmtree(self._stack.folder / "nats" / "jetstream")
                await asyncio.sleep(1.5)

    async def _clock(self, package: str) -> None:
        """Step the clock of a process forwards or back."""
        (self._clocks / package).write_text(str(self._chance.uniform(-CLOCK_SECONDS, CLOCK_SECONDS)))

    async def _link(self, how: str) -> None:
        """Make a way between two parts slow, cut it, or leave it half open."""
        assert self._links is not None
        link = self._chance.choice([one for one in self._links.by_name.values() if one.taken])
        if how == "slow":
            link.delay_seconds = self._chance.uniform(0.05, 0.3)
        elif how == "cut":
            link.is_cut = True
            link.cut()
        else:
            link.is_half_open = True
        await asyncio.sleep(self._chance.uniform(0.5, 3))
        link.heal()

    async def _database(self, _what: str) -> None:
        """Stop PostgreSQL as a crash would, and start it again a moment later."""
        assert self._server is not None
        await asyncio.to_thread(self._server.kill)
        await asyncio.sleep(self._chance.uniform(0.1, 1.5))
        await asyncio.to_thread(self._server.start_again)


async def waited(is_so: Callable[[], bool], *, seconds: float) -> None:
    """Wait until something is so, but not for ever."""
    end = time.monotonic() + seconds
    while True:
        if is_so() or time.monotonic() > end:
            return
        await asyncio.sleep(0.1)
