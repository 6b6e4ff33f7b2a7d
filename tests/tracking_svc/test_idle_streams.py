"""Ten thousand drivers who wait at a light cost memory, and not much of it."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
import pytest
from grpc import aio
from headway.tracking.v1 import tracking_service_pb2_grpc

from chassis.clock import SystemClock
from chassis.keys import Signer
from tests.tracking_svc.fleet import FERRY, FERRY_DEVICE, bearer, opened, way, wire
from tests.tracking_svc.test_crashes import process
from tests.tracking_svc.wires import exchange
from tracking_svc.domain.vehicles import Vehicle

STREAMS = 10_000
STREAMS_A_CHANNEL = 500
POINTS = 20
MEBIBYTES_MAX = 400


@pytest.mark.release
async def test_ten_thousand_idle_streams_fit_into_400_mebibytes(sqlite_url: str, keys_dir: Path, gateway: Signer):
    """Each of a vehicle of its own, with a token and a session, after a first batch; over twenty connections."""
    vehicles = [replace(FERRY, id=f"veh_{number:026d}") for number in range(STREAMS)]
    with opened(sqlite_url, SystemClock()) as store, store.database.writer.begin() as connection:
        work = store._open_work(connection, store.now())
        for vehicle in vehicles:
            work.vehicles.save_if_newer(vehicle)
    async with process(sqlite_url, keys_dir) as running:
        server = psutil.Process(running.process.pid)
        before = server.memory_full_info().pss
        channels, calls = [], []
        for start in range(0, STREAMS, STREAMS_A_CHANNEL):
            channel = aio.insecure_channel(running.address, options=[("grpc.use_local_subchannel_pool", 1)])
            channels.append(channel)
            opened_ = [begin(channel, gateway, vehicle) for vehicle in vehicles[start : start + STREAMS_A_CHANNEL]]
            for call, vehicle in zip(opened_, vehicles[start:], strict=False):
                sent = way(datetime.now(UTC) - timedelta(minutes=1), range(1, POINTS + 1))
                ack = await exchange(call, wire(sent, vehicle=vehicle.id))
                assert ack.acknowledged_sequence == POINTS
            calls += opened_
        after = server.memory_full_info().pss
        began = server.cpu_times().user
        await asyncio.sleep(10)
        cpu = server.cpu_times().user - began
        idle = f"{cpu / 10:.1%} of a core while idle"
        print(f"\n{STREAMS} streams: {before / 2**20:.0f} to {after / 2**20:.0f} MiB, {idle}")
        assert after < MEBIBYTES_MAX * 2**20
        for call in calls:
            call.cancel()
        await asyncio.gather(*(channel.close() for channel in channels))


def begin(channel: aio.Channel, gateway: Signer, vehicle: Vehicle) -> aio.StreamStreamCall:
    """Open the stream of a vehicle's device."""
    device = replace(FERRY_DEVICE, subject=f"dev_{vehicle.id}", vehicle_id=vehicle.id)
    stub = tracking_service_pb2_grpc.TrackingServiceStub(channel)
    return stub.StreamPositions(metadata=bearer(gateway, device, now=datetime.now(UTC)))
