"""Ten thousand drivers who wait at a light cost memory, and not much of it."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import psutil
import pytest
from grpc import aio
from headway.tracking.v1 import tracking_service_pb2_grpc

from tests.tracking_svc.fleet import position, wire
from tests.tracking_svc.test_crashes import metadata, process, url
from tests.tracking_svc.wires import Metadata, exchange

__all__ = ["metadata", "url"]

STREAMS = 10_000
STREAMS_A_CHANNEL = 500
MEBIBYTES_MAX = 400


@pytest.mark.release
async def test_ten_thousand_idle_streams_fit_into_400_mebibytes(url: str, keys_dir: Path, metadata: Metadata):
    async with process(url, keys_dir) as running:
        server = psutil.Process(running.process.pid)
        before = server.memory_full_info().pss
        channels = [
            aio.insecure_channel(running.address, options=[("grpc.use_local_subchannel_pool", 1)])
            for _ in range(STREAMS // STREAMS_A_CHANNEL)
        ]
        calls = []
        for channel in channels:
            stub = tracking_service_pb2_grpc.TrackingServiceStub(channel)
            opened = [stub.StreamPositions(metadata=metadata) for _ in range(STREAMS_A_CHANNEL)]
            points = [position(0, datetime.now(UTC)) for _ in opened]
            for call, point in zip(opened, points, strict=True):
                assert len((await exchange(call, wire([point], session=""))).rejected) <= 1
            calls += opened
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
