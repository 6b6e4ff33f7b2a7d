"""From built to running to stopped: start in order, stop in reverse, within a bounded time."""

import asyncio
import gc
import signal
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import uvloop
from prometheus_client import start_http_server

from chassis.bus import Bus
from chassis.errors import Failure
from chassis.logs import EventLog
from chassis.relay import Relay
from chassis.rpc_server import RpcServer
from chassis.store import Store

log = EventLog(__name__)

GRACE_SECONDS = 5.0
RESTART_SECONDS = 1.0
GARBAGE_MIN = 10_000
"""New objects before a collection looks for cycles among them: a group of calls makes thousands, and none."""

Loop = Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Service:
    """Everything a service is made of, built and not yet started."""

    name: str
    store: Store[Any]
    bus: Bus
    relay: Relay
    server: RpcServer
    loops: Sequence[Loop] = ()
    closing: Sequence[Callable[[], Awaitable[None]]] = ()
    metrics_port: int = 0
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    async def start(self) -> None:
        """Serve, and begin to publish, consume and tidy."""
        self.store.start(on_commit=self.relay.wake)
        self.tasks.extend(
            asyncio.ensure_future(keep_running(loop)) for loop in (self.relay.run, self.relay.measure, *self.loops)
        )
        await self.server.start()
        log.info("serving", service=self.name, port=self.server.port)

    async def stop(self) -> None:
        """Finish what was begun, then end; nothing acknowledged is left behind."""
        await self.server.stop(GRACE_SECONDS)
        await stop_tasks(self.tasks)
        for close in self.closing:
            await close()
        await self.bus.close()
        await asyncio.to_thread(self.store.stop)
        log.info("stopped", service=self.name)


def run(build: Callable[[], Service]) -> None:
    """Run a service until it is told to stop."""
    uvloop.run(serve(build))


async def serve(build: Callable[[], Service]) -> None:
    """Build and run a service in the present event loop until SIGTERM or SIGINT."""
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    service = build()
    if service.metrics_port:
        start_http_server(service.metrics_port)
    await service.start()
    # What is there by now stays: to look at it again in each collection would stop every call for tens of milliseconds.
    gc.collect()
    gc.freeze()
    gc.set_threshold(GARBAGE_MIN)
    await stopping.wait()
    await service.stop()


async def keep_running(loop: Loop) -> None:
    """Start a background loop again whenever it fails; a bug in one must not silence it for ever."""
    name = getattr(loop, "__qualname__", repr(loop))
    while True:
        try:
            await loop()
        except Failure as failure:
            log.warning("loop_waits", loop=name, reason=failure.reason)
        except Exception:
            log.bug("loop_failed", loop=name)
        await asyncio.sleep(RESTART_SECONDS)


async def every(seconds: float, action: Callable[[], Awaitable[object]]) -> None:
    """Act again and again with a pause between."""
    while True:
        await action()
        await asyncio.sleep(seconds)


async def stop_tasks(tasks: Sequence[asyncio.Task[None]]) -> None:
    """Cancel tasks until they are gone: one may miss a cancellation that comes together with what it waits for."""
    while running := [task for task in tasks if not task.done()]:
        for task in running:
            task.cancel()
        await asyncio.wait(running, timeout=RESTART_SECONDS)
