"""A process that lives again and again: each life writes numbers until it is killed, and prints each acknowledged one.

A life is a line of input: {"url": ..., "faults": ..., "numbers": [...], "ends": ...}; one that does not end by itself
waits to be killed. It is a child of its own, forked, because importing takes a hundred times as long as a life.
Output: "born PID", "acknowledged N" ..., "dead STATUS".
"""

import asyncio
import json
import os
import signal
import sys

import psycopg.pq  # noqa: F401 - imported before the first life, like all the rest

from chassis.clock import SystemClock
from chassis.database import Database
from chassis.replies import Once
from chassis.store import Store
from tests.chassis.shelf import Work, add, message

CALLERS = 16


def say(line: str) -> None:
    os.write(1, f"{line}\n".encode())


async def live(url: str, numbers: list[int], *, ends: bool) -> None:
    waiting = iter(numbers)
    store = Store(Database(url), Work, SystemClock())
    store.start()

    async def call() -> None:
        for number in waiting:
            once = Once.of(subject="test", operation="Add", key=f"{number}", body=b"")
            reply = await store.write(add, answer=message, once=once, name=f"{number:06}")
            say(f"acknowledged {reply.value}")

    await asyncio.gather(*(call() for _ in range(CALLERS)))
    if not ends:
        signal.pause()
    store.stop()


def main() -> None:
    for line in sys.stdin:
        life = json.loads(line)
        child = os.fork()
        if child == 0:
            os.environ["HEADWAY_FAULTS"] = life["faults"]
            say(f"born {os.getpid()}")
            asyncio.run(live(life["url"], life["numbers"], ends=life["ends"]))
            os._exit(0)
        _, status = os.waitpid(child, 0)
        say(f"dead {os.waitstatus_to_exitcode(status)}")


if __name__ == "__main__":
    main()
