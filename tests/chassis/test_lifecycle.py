"""From built to running to stopped, in order and in time."""

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import grpc
import pytest
from headway.tracking.v1.tracking_service_pb2 import GetVehicleRequest, PositionBatch
from headway.tracking.v1.tracking_service_pb2_grpc import TrackingServiceStub

from chassis import lifecycle
from chassis.errors import Unavailable
from chassis.lifecycle import every, keep_running, stop_tasks
from chassis.rpc_client import open_channel
from tests.chassis.postal import ROOT_FOLDER, Letter, hanging, has_count, opened, post, rows, until
from tests.chassis.serving import build
from tests.chassis.serving_child import service

STOP_SECONDS = 3.0


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(lifecycle, "RESTART_SECONDS", 0.02)


# Loops


async def test_a_loop_that_fails_is_started_again_and_the_bug_is_logged(caplog):
    runs = []

    async def loop():
        runs.append(1)
        if len(runs) == 1:
            raise ValueError("a bug")
        if len(runs) == 2:
            raise Unavailable(dependency="database")
        await asyncio.sleep(60)

    task = asyncio.ensure_future(keep_running(loop))
    await until(lambda: len(runs) == 3)
    await stop_tasks([task])
    assert [(record.levelname, record.message) for record in caplog.records] == [
        ("ERROR", "loop_failed"),
        ("WARNING", "loop_waits"),
    ]
    assert caplog.records[1].fields["reason"] == "DEPENDENCY_DOWN"


async def test_a_loop_without_a_name_is_started_again_too(caplog):
    runs = []

    async def fail(number):
        runs.append(number)
        raise ValueError

    task = asyncio.ensure_future(keep_running(partial(fail, 7)))
    await until(lambda: len(runs) >= 2)
    await stop_tasks([task])
    assert "fail" in caplog.records[0].fields["loop"]


async def test_a_loop_that_ends_is_started_again():
    runs = []

    async def loop():
        runs.append(1)

    task = asyncio.ensure_future(keep_running(loop))
    await until(lambda: len(runs) >= 2)
    await stop_tasks([task])


async def test_every_pauses_after_each_action():
    acted_at = []

    async def act():
        acted_at.append(time.monotonic())
        await asyncio.sleep(0.05)

    task = asyncio.ensure_future(every(0.05, act))
    await until(lambda: len(acted_at) == 4)
    await stop_tasks([task])
    assert acted_at[3] - acted_at[0] >= 0.3


async def test_a_task_that_misses_its_cancellation_is_cancelled_again():
    """Python 3.11 loses one that comes together with what is waited for."""

    async def stubborn():
        for _ in range(3):
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                continue

    task = asyncio.ensure_future(stubborn())
    await asyncio.sleep(0)
    await asyncio.wait_for(stop_tasks([task]), 2)
    assert task.done()


async def test_stopping_nothing_is_stopping():
    await stop_tasks([])


# In one process


async def test_it_stops_in_the_order_that_loses_nothing(sqlite_url, nats, tmp_path):
    """Callers first, then what runs beside them, then what both stand on."""
    running, order = service(sqlite_url, nats.url, tmp_path), []

    async def loop() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            order.append("loop")

    async def close() -> None:
        order.append("closing")

    def noting(name, method):
        def noted(*args):
            order.append(name)
            return method(*args)

        return noted

    for part, method in ((running.server, "stop"), (running.bus, "close"), (running.store, "stop")):
        setattr(part, method, noting(type(part).__name__, getattr(part, method)))
    running = lifecycle.Service(
        "test", running.store, running.bus, running.relay, running.server, loops=[loop], closing=[close]
    )
    await running.start()
    await until(lambda: running.bus.is_connected)
    await running.stop()
    assert order == ["RpcServer", "loop", "closing", "Bus", "Store"]


async def test_a_call_that_runs_when_it_is_told_to_stop_is_answered_and_kept(sqlite_url, nats, tmp_path):
    running = service(sqlite_url, nats.url, tmp_path)
    slow = asyncio.Event()
    await running.start()
    write = running.store.write

    async def write_slowly(use_case, **data):
        if use_case is post:
            slow.set()
            await asyncio.sleep(0.3)
        return await write(use_case, **data)

    running.store.write = write_slowly
    async with open_channel(f"127.0.0.1:{running.server.port}") as channel:
        asking = asyncio.ensure_future(TrackingServiceStub(channel).GetVehicle(GetVehicleRequest(), timeout=5))
        await asyncio.wait_for(slow.wait(), 5)
        await running.stop()
        assert (await asking).id == "veh_1"
    with opened(sqlite_url) as store:
        assert len(await store.read(rows)) == 1


async def test_what_was_written_before_it_stopped_is_published_when_it_runs_again(sqlite_url, nats, tmp_path):
    nats.kill()
    running = service(sqlite_url, nats.url, tmp_path)
    await running.start()
    await running.store.write(post, letters=[Letter("hello")])
    await running.stop()
    nats.start_again()
    running = service(sqlite_url, nats.url, tmp_path)
    await running.start()
    await until(lambda: has_count(nats, 1))
    await running.stop()


# As a process


class Child:
    """A service's process and what it has logged."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.lines: list[dict[str, object]] = []

    async def logged(self, event: str) -> dict[str, object]:
        """Wait for a line and return it."""
        while line := await asyncio.wait_for(self.process.stderr.readline(), 60):
            self.lines.append(json.loads(line))
            if self.lines[-1]["event"] == event:
                return self.lines[-1]
        raise AssertionError(f"It ended without {event}: {self.lines}")

    async def end(self) -> float:
        """Tell it to stop and return how long that took."""
        began = time.monotonic()
        self.process.terminate()
        await self.logged("stopped")
        assert await asyncio.wait_for(self.process.wait(), 20) == 0
        return time.monotonic() - began


@asynccontextmanager
async def child(*arguments: object) -> AsyncIterator[Child]:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-m", "tests.chassis.serving_child", *map(str, arguments)]
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, env=environment, cwd=ROOT_FOLDER, stderr=pipe)
    try:
        yield Child(process)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


@pytest.mark.parametrize("broker", ["up", "down", "never up", "hanging"])
async def test_sigterm_ends_it_in_seconds_whatever_the_broker_does(sqlite_url, nats, tmp_path, broker):
    if broker == "never up":
        nats.kill()
    async with child(sqlite_url, nats.url, tmp_path) as running:
        port = (await running.logged("serving"))["port"]
        async with open_channel(f"127.0.0.1:{port}") as channel:
            assert (await TrackingServiceStub(channel).GetVehicle(GetVehicleRequest(), timeout=5)).id == "veh_1"
        if broker != "never up":
            await until(lambda: has_count(nats, 1))
        if broker == "down":
            nats.kill()
        if broker == "hanging":
            with hanging(nats):
                assert await running.end() < STOP_SECONDS + 1
        else:
            assert await running.end() < STOP_SECONDS
        assert not [line for line in running.lines if line["level"] == "error"]


async def test_sigterm_ends_it_in_seconds_with_streams_open(sqlite_url, nats, tmp_path):
    async with child(sqlite_url, nats.url, tmp_path) as running:
        port = (await running.logged("serving"))["port"]
        async with open_channel(f"127.0.0.1:{port}") as channel:
            streams = [TrackingServiceStub(channel).StreamPositions() for _ in range(10)]
            for stream in streams:
                await stream.write(PositionBatch())
                await stream.read()
            assert await running.end() < STOP_SECONDS
            assert [await stream.code() for stream in streams] == [grpc.StatusCode.OK] * 10


async def test_a_signal_while_it_starts_ends_it_too(sqlite_url, nats, tmp_path):
    async with child(sqlite_url, nats.url, tmp_path) as running:
        await running.logged("serving")
        running.process.send_signal(signal.SIGINT)
        running.process.send_signal(signal.SIGTERM)
        await running.logged("stopped")
        assert await asyncio.wait_for(running.process.wait(), 5) == 0


async def test_a_port_that_is_taken_ends_it_at_once(sqlite_url, nats, tmp_path):
    running = service(sqlite_url, nats.url, tmp_path)
    with pytest.raises(RuntimeError, match=str(running.server.port)):
        build(tmp_path, port=running.server.port)
    await running.server.stop(0)
    running.store.stop()
