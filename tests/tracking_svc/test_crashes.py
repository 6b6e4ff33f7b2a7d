"""The real process is killed between a commit and its acknowledgement, or told to stop; devices take up again."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import pytest
from grpc import StatusCode, aio

from chassis.clock import SystemClock
from chassis.keys import Signer
from tests.tracking_svc import fleet
from tests.tracking_svc.fleet import FERRY_DEVICE, bearer, commit, history, newest, opened, way, wire
from tests.tracking_svc.test_follow_vehicle import ONCE, facts, ride
from tests.tracking_svc.timetable import START, departure, pattern
from tests.tracking_svc.wires import Driver, Metadata, exchange, stub_at
from tracking_svc.use_cases.keep_departures import keep_departures
from tracking_svc.use_cases.keep_patterns import keep_patterns

ROOT = Path(__file__).parents[2]
POINTS = ("tracking.frame_committed", "writer.before_commit", "writer.after_commit", "tracking.frame_committed")
START_SECONDS = 30
STOP_SECONDS = 30


@dataclass
class Running:
    """A process of the service and where it listens."""

    process: asyncio.subprocess.Process
    address: str

    async def ended(self) -> int:
        assert self.process.stderr is not None
        async with asyncio.timeout(STOP_SECONDS):
            await self.process.stderr.read()
            return await self.process.wait()


@asynccontextmanager
async def process(url: str, keys_dir: Path, *, faults: str = "") -> AsyncIterator[Running]:
    """Run `python -m tracking_svc` on a free port, without a broker, until it ends or we do."""
    environment = os.environ | {
        "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'proto' / 'gen'}",
        "TRACKING_DATABASE_URL": url,
        "TRACKING_KEYS_DIR": str(keys_dir),
        "HEADWAY_NATS_URL": fleet.NOBODY,
        "TRACKING_GRPC_PORT": "0",
        "HEADWAY_FAULTS": faults,
    }
    command = [sys.executable, "-m", "tracking_svc"]
    started = await asyncio.create_subprocess_exec(
        *command, cwd=ROOT, env=environment, stdin=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
    )
    try:
        yield Running(started, f"127.0.0.1:{await port_of(started)}")
    finally:
        if started.returncode is None:
            started.kill()
        await started.communicate()


async def port_of(started: asyncio.subprocess.Process) -> int:
    """Wait until the process says where it serves."""
    assert started.stderr is not None
    async with asyncio.timeout(START_SECONDS):
        async for line in started.stderr:
            said = json.loads(line)
            if said["event"] == "serving":
                return int(said["port"])
    raise AssertionError("It ended before it served.")


@pytest.fixture
def url(sqlite_url: str) -> str:
    """A database that knows the fleet."""
    with opened(sqlite_url, SystemClock()):
        return sqlite_url


@pytest.fixture
def metadata(gateway: Signer) -> Metadata:
    return bearer(gateway, FERRY_DEVICE, now=datetime.now(UTC))


async def drive_until_cut(running: Running, driver: Driver, metadata: Metadata) -> aio.AioRpcError:
    async with stub_at(running.address) as stub:
        with pytest.raises(aio.AioRpcError) as raised:
            await driver.drive(stub, metadata)
    return raised.value


async def test_killed_around_a_commit_before_its_acknowledgement_nothing_is_lost_or_doubled(
    url: str, keys_dir: Path, metadata: Metadata
):
    random = Random(9)
    sent = way(datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1), range(1, 1501))
    driver = Driver(sent, random)
    for point in POINTS:
        # Not the first: the process tidies up when it starts.
        faults = f"{point}:kill:{random.randint(3, 8)}"
        async with process(url, keys_dir, faults=faults) as running:
            cut = await drive_until_cut(running, driver, metadata)
            assert cut.code() is StatusCode.UNAVAILABLE
            assert await running.ended() == -signal.SIGKILL
        with opened(url, SystemClock()) as store:
            durable = len(history(store))
        assert durable >= driver.acknowledged
        assert point == "writer.before_commit" or durable > driver.acknowledged, "the crash came after a commit"
    async with process(url, keys_dir) as running, stub_at(running.address) as stub:
        await driver.drive(stub, metadata)
    assert driver.is_done
    assert driver.doubled > 0
    with opened(url, SystemClock()) as store:
        assert history(store) == sent
        assert newest(store) == sent[-1]


async def test_killed_while_a_vehicle_runs_a_departure_every_call_is_told_once(
    url: str, keys_dir: Path, metadata: Metadata
):
    """Progress, visits and facts are written with the frame: what was before the crash is gone on from."""
    start = datetime.now(UTC).replace(microsecond=0) - timedelta(seconds=400)
    with opened(url, SystemClock()) as store:
        commit(store, keep_patterns, patterns=[pattern()])
        commit(store, keep_departures, departures=[departure(start=start)])
    ways = [replace(point, recorded_at=point.recorded_at - START + start) for point in ride()]
    driver = Driver([replace(point, sequence=place) for place, point in enumerate(ways, 1)], Random(4), batch_max=2)
    for point in POINTS:
        async with process(url, keys_dir, faults=f"{point}:kill:4") as running:
            await drive_until_cut(running, driver, metadata)
            assert await running.ended() == -signal.SIGKILL
    async with process(url, keys_dir) as running, stub_at(running.address) as stub:
        await driver.drive(stub, metadata)
    assert driver.is_done
    with opened(url, SystemClock()) as store:
        assert [fact for fact in facts(store) if fact[1] is not None] == ONCE


async def test_told_to_stop_it_ends_open_streams_and_keeps_what_it_acknowledged(
    url: str, keys_dir: Path, metadata: Metadata
):
    sent = way(datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1), range(1, 11))
    async with process(url, keys_dir) as running, stub_at(running.address) as stub:
        idle = stub.StreamPositions(metadata=metadata)
        assert (await exchange(idle, wire(sent))).acknowledged_sequence == 10
        running.process.terminate()
        assert await running.ended() == 0
        assert await idle.code() in (StatusCode.UNAVAILABLE, StatusCode.CANCELLED, StatusCode.OK)
    with opened(url, SystemClock()) as store:
        assert history(store) == sent
