"""Plays tracking before a real gateway: a departure whose vehicle turns to each number that is written to it.

Numbers come as lines on the standard input. Run it as python -m bench.peers.road; it prints its port.
"""

import asyncio
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import uvloop
from google.protobuf.timestamp_pb2 import Timestamp
from grpc import aio
from headway.tracking.v1 import live_pb2, positions_pb2, tracking_service_pb2_grpc
from headway.types.v1 import timetable_pb2


class Tracking(tracking_service_pb2_grpc.TrackingServiceServicer):
    def __init__(self, numbers: asyncio.StreamReader) -> None:
        self._numbers = numbers

    async def WatchDeparture(self, request: Any, context: Any) -> AsyncIterator[live_pb2.DepartureUpdate]:
        yield update(0)
        async for line in self._numbers:
            yield update(int(line))


def update(number: int) -> live_pb2.DepartureUpdate:
    """Tell that a vehicle has moved."""
    stamp = Timestamp()
    stamp.FromDatetime(datetime(2030, 6, 1, 8, tzinfo=UTC))
    position = positions_pb2.Position(
        recorded_at=stamp, latitude=53.551086, longitude=9.993682, heading_degrees=number, speed_meters_per_second=13.9
    )
    vehicle = positions_pb2.TrackedVehicle(
        id="veh_01jd8k2m3n4p5q6r7s8t9v0w1x",
        operator_id="harbour",
        label="HH-HW 142",
        position=position,
        received_at=stamp,
        freshness=positions_pb2.FRESHNESS_LIVE,
    )
    departure = live_pb2.LiveDeparture(
        departure_id="dep_01jd8k2m3n4p5q6r7s8t9v0w1x",
        service_date="2030-06-01",
        state=timetable_pb2.DEPARTURE_STATE_DEPARTED,
        vehicle=vehicle,
        observed_at=stamp,
    )
    return live_pb2.DepartureUpdate(departure=departure)


async def serve() -> None:
    numbers = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(numbers), sys.stdin)
    server = aio.server()
    tracking_service_pb2_grpc.add_TrackingServiceServicer_to_server(Tracking(numbers), server)
    print(server.add_insecure_port("127.0.0.1:0"), flush=True)
    await server.start()
    await server.wait_for_termination()


if __name__ == "__main__":
    uvloop.run(serve())
