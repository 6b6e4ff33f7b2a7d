"""Parts of a running system that stand still or are dead for a while."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.system.deadlines import until
from tests.system.running_stack import Stack

RESTART_SECONDS = 8


@contextmanager
def stopped(stack: Stack, name: str) -> Iterator[None]:
    """Let a process stand still while the block runs."""
    pid = stack.pid(name)
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


@contextmanager
def dead(stack: Stack, name: str) -> Iterator[None]:
    """Kill a process and keep it dead while the block runs: whoever would start it again stands still as well."""
    os.kill(stack.process.pid, signal.SIGSTOP)
    try:
        kill(stack, name)
        yield
    finally:
        os.kill(stack.process.pid, signal.SIGCONT)


def kill(stack: Stack, name: str) -> int:
    """Kill a process, and return the id it had once nobody listens on its ports any more."""
    pid = stack.pid(name)
    os.kill(pid, signal.SIGKILL)
    until(lambda: is_dead(pid), seconds=5, what=f"{name} is dead")
    return pid


def is_dead(pid: int) -> bool:
    """Tell whether a process has ended, even if nobody has taken note of it."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def started_again(stack: Stack, name: str, *, pid: int) -> None:
    """Wait until another process has taken the place of one that was killed."""
    until(lambda: stack.pid(name) != pid, seconds=RESTART_SECONDS, what=f"{name} is started again")
