"""Keeps child processes running: starts them, starts the dead again, stops them in order."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from cli.outcomes import BreakdownError, SetupError

POLL_SECONDS = 0.1
STUCK_POLL_SECONDS = 1.0
READY_SECONDS = 60.0
GRACE_SECONDS = 5.0
STOP_SECONDS = 14.0
RESTARTS_MAX = 5
RESTARTS_WINDOW_SECONDS = 60.0
FIRST_PAUSE_SECONDS = 0.1
LOG_LINES_SHOWN = 12
LINE_CHARS_SHOWN = 300
LOG_BYTES_READ = 16_384
REFUSED = 1  # how Python ends with a sentence
# PR_SET_PDEATHSIG with SIGKILL, unless the supervisor has ended before that; then become the program.
LAUNCH = """
import ctypes, os, sys
ctypes.CDLL(None).prctl(1, 9)
if os.getppid() == int(sys.argv[1]):
    os.execv(sys.argv[2], sys.argv[2:])
"""

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Program:
    """What to run and with which whole environment. `is_ready` and `is_stuck` may block: they are called on threads."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    is_ready: Callable[[], bool]
    # Only another process would get on from here, and it would.
    is_stuck: Callable[[], bool] | None = None


class Child:
    """A program's process, and those that follow when it dies."""

    def __init__(self, program: Program, log: Path, *, say: Say, on_start: Callable[[], None]) -> None:
        self.name = program.name
        self.is_ready = asyncio.Event()
        self._program = program
        self._log = log
        self._log_begins_at = 0
        self._say = say
        self._on_start = on_start
        self._process: asyncio.subprocess.Process | None = None
        self._is_starting = asyncio.Event()
        self._started_at = 0.0
        self._was_ready = False
        self._deaths: list[float] = []

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    async def keep(self) -> None:
        """Start the program, and again whenever it ends; raise when that leads nowhere."""
        while True:
            await self._start()
            assert self._process is not None
            code = await self._process.wait()
            self.is_ready.clear()
            self._is_starting.clear()
            self._note_end(code)
            await asyncio.sleep(FIRST_PAUSE_SECONDS * 2 ** (len(self._deaths) - 1))

    async def watch(self) -> None:
        """Tell when the program has become ready, each time that it was started."""
        while True:
            await self._is_starting.wait()
            if await asyncio.to_thread(self._program.is_ready):
                self._is_starting.clear()
                self._was_ready = True
                self.is_ready.set()
                self._say(f"  {self.name} is ready after {time.monotonic() - self._started_at:.1f} s")
            else:
                await asyncio.sleep(POLL_SECONDS)

    async def end_when_stuck(self) -> None:
        """End a process that runs and does nothing any more; `keep` starts it again."""
        while self._program.is_stuck is not None:
            await asyncio.sleep(STUCK_POLL_SECONDS)
            if self.is_ready.is_set() and await asyncio.to_thread(self._program.is_stuck):
                self._say(f"{self.name} is stuck; ending it")
                await self.stop(GRACE_SECONDS)

    async def stop(self, grace_seconds: float) -> None:
        """Ask the process to end, and end it when it takes too long."""
        if self._process is None or self._process.returncode is not None:
            return
        self._process.terminate()
        ending = asyncio.create_task(self._process.wait())
        await asyncio.wait([ending], timeout=grace_seconds)
        if not ending.done():
            self._say(f"  {self.name} did not stop within {grace_seconds:.0f} s and was killed")
            self.kill()
        await ending

    def kill(self) -> None:
        if self._process is not None:
            with suppress(ProcessLookupError):
                self._process.kill()

    def printed(self) -> str:
        """Return what the present process has printed, at least its end."""
        with self._log.open("rb") as log:
            log.seek(max(self._log_begins_at, self._log.stat().st_size - LOG_BYTES_READ))
            return log.read().decode(errors="replace")

    def log_excerpt(self) -> str:
        """Write the last lines as a paragraph that says where they come from."""
        lines = self.printed().splitlines()[-LOG_LINES_SHOWN:] or ["(nothing)"]
        return "\n".join([f"The end of {self._log}:", *(f"    {line[:LINE_CHARS_SHOWN]}" for line in lines)])

    async def _start(self) -> None:
        with self._log.open("ab") as log:
            self._log_begins_at = log.tell()
            self._process = await asyncio.create_subprocess_exec(
                *ending_with_us(self._program.command),
                env=self._program.environment,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=asyncio.subprocess.STDOUT,
                process_group=0,  # so that Ctrl-C reaches the supervisor alone
            )
        self._started_at = time.monotonic()
        self._is_starting.set()
        self._on_start()

    def _note_end(self, code: int) -> None:
        """Say that the process has ended; raise when starting it again makes no sense."""
        if code >= 0 and not self._was_ready:
            # A process that stops with a sentence has a reason that the user can mend; one with a trace has a bug.
            kind = SetupError if code == REFUSED and "Traceback" not in self.printed() else BreakdownError
            raise kind(f"{self.name} does not start. {self.log_excerpt()}")
        now = time.monotonic()
        self._deaths = [at for at in self._deaths if at > now - RESTARTS_WINDOW_SECONDS] + [now]
        how = f"exit code {code}" if code >= 0 else signal.Signals(-code).name
        if len(self._deaths) > RESTARTS_MAX:
            count = f"{len(self._deaths)} times within {RESTARTS_WINDOW_SECONDS:.0f} s"
            raise BreakdownError(f"{self.name} has ended {count}, the last time with {how}. {self.log_excerpt()}")
        self._say(f"{self.name} has ended ({how}); starting it again, {len(self._deaths)} of {RESTARTS_MAX} times")


class Supervisor:
    """Runs tiers of programs; a tier stops only after those that follow it."""

    def __init__(
        self, tiers: Sequence[Sequence[Program]], logs: Path, *, say: Say, on_start: Callable[[], None] = lambda: None
    ) -> None:
        self.is_stopping = False
        self._tiers = [
            [Child(program, logs / f"{program.name}.log", say=say, on_start=on_start) for program in tier]
            for tier in tiers
        ]
        self._children = [child for tier in self._tiers for child in tier]

    @property
    def pids(self) -> dict[str, int | None]:
        return {child.name: child.pid for child in self._children}

    async def run(self, body: Callable[[], Awaitable[int]]) -> int:
        """Start everything, run `body` when all is ready and return its answer; raise what ends it earlier."""
        try:
            async with asyncio.TaskGroup() as group:
                acts = [(child.keep, child.watch, child.end_when_stuck) for child in self._children]
                tasks = [group.create_task(act()) for of_child in acts for act in of_child]
                await self._all_ready()
                answer = await body()
                for task in tasks:
                    task.cancel()
        except BaseExceptionGroup as several:
            raise several.exceptions[0] from None
        return answer

    async def stop(self) -> None:
        """Stop what runs, those first that lean on others; whatever happens, it is soon over."""
        self.is_stopping = True
        deadline = time.monotonic() + STOP_SECONDS
        for tier in reversed(self._tiers):
            grace_seconds = max(0.0, min(GRACE_SECONDS, deadline - time.monotonic()))
            await asyncio.gather(*(child.stop(grace_seconds) for child in tier))

    def kill(self) -> None:
        """End everything at once."""
        for child in self._children:
            child.kill()

    async def _all_ready(self) -> None:
        try:
            async with asyncio.timeout(READY_SECONDS):
                for child in self._children:
                    await child.is_ready.wait()
        except TimeoutError:
            late = [child for child in self._children if not child.is_ready.is_set()]
            names = ", ".join(child.name for child in late)
            excerpts = "\n".join(child.log_excerpt() for child in late)
            raise BreakdownError(f"Not ready after {READY_SECONDS:.0f} s: {names}.\n{excerpts}") from None


def ending_with_us(command: Sequence[str]) -> Sequence[str]:
    """Run a program in a process that is killed when this one ends, in whatever way.

    Only Linux can promise that; elsewhere children of a supervisor that was killed have to be ended by hand.
    """
    launcher = (sys.executable, "-I", "-S", "-c", LAUNCH, str(os.getpid())) if sys.platform == "linux" else ()
    return (*launcher, *command)
