"""Real buses of one day drive over gRPC onto the departures of their imported feed, and their calls are found."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from itertools import groupby
from pathlib import Path
from typing import Any

import nats as nats_client
import pytest
from headway.booking.v1 import feeds_pb2, timetable_service_pb2
from headway.tracking.v1 import tracking_service_pb2, vehicle_events_pb2

from chassis.access import Caller
from tests.booking_svc import service as booking_service
from tests.clocks import FixedClock
from tests.servers import NatsServer
from tests.tracking_svc import fleet
from tests.tracking_svc.buses import FEED, MIDNIGHT, OPERATOR, Buses, Row, read_buses
from tests.tracking_svc.fleet import until
from tests.tracking_svc.wires import exchange
from tracking_svc.settings import TrackingSettings

SPEED_MIN = 60
FOUND_MIN = 0.9
FALSE_MAX = 0.02
TOLERANCE = 60
STEP_SECONDS = 30
PIECE = 256 * 1024
STAFF = Caller("usr_staff", frozenset({"timetable:write", "fleet:write", "fleet:read"}), operator_id=OPERATOR)
DRIVER = Caller("dev_all", frozenset({"positions:write"}), operator_id=OPERATOR)
Imported = dict[str, Any]
"""Departures by the feed's trip."""


@pytest.fixture
def buses() -> Buses:
    return read_buses()


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(MIDNIGHT + timedelta(hours=9))


@pytest.fixture
async def running(tmp_path: Path, nats: NatsServer, clock: FixedClock) -> AsyncIterator[tuple[Any, fleet.Tracking]]:
    """Booking and tracking by one clock, with one broker."""
    keys = tmp_path / "keys"
    own = booking_service.settings(f"sqlite:///{tmp_path}/booking.db", keys, "http://127.0.0.1:1", nats_url=nats.url)
    async with AsyncExitStack() as stack:
        booking = await stack.enter_async_context(booking_service.serving(own, clock))
        settings = TrackingSettings(
            database_url=f"sqlite:///{tmp_path}/tracking.db",
            nats_url=nats.url,
            keys_dir=keys,
            booking_address=f"127.0.0.1:{booking.service.server.port}",
            grpc_port=0,
        )
        gateway = booking.signer("gateway")
        yield booking, await stack.enter_async_context(fleet.serving(settings, gateway, clock, vehicles=()))


async def put_on_sale(booking: Any) -> Imported:
    """Import the feed and return the departures of the day."""

    def messages() -> Iterator[Any]:
        options = {"operator_id": OPERATOR, "from": "2026-02-16", "days": 1}
        yield timetable_service_pb2.ImportFeedRequest(options=feeds_pb2.FeedOptions(**options))
        content = FEED.read_bytes()
        for start in range(0, len(content), PIECE):
            yield timetable_service_pb2.ImportFeedRequest(content=content[start : start + PIECE])

    feed = await booking.timetable.ImportFeed(messages(), metadata=booking.metadata(STAFF))

    async def is_published() -> bool:
        request = timetable_service_pb2.GetFeedRequest(feed_id=feed.id)
        found = await booking.timetable.GetFeed(request, metadata=booking.metadata(STAFF))
        assert found.state != feeds_pb2.FEED_STATE_REJECTED, found
        return bool(found.state == feeds_pb2.FEED_STATE_PUBLISHED)

    await until(is_published, seconds=120)
    request = timetable_service_pb2.ListDeparturesRequest(operator_id=OPERATOR)
    return {
        reply.departure.feed_trip_id: reply.departure
        async for reply in booking.timetable.ListDepartures(request, metadata=booking.as_service())
    }


async def register(booking: Any, buses: Buses) -> dict[str, str]:
    """Make the buses known; return their ids by the feed's."""
    found = {}
    for label in buses.positions:
        request = timetable_service_pb2.RegisterVehicleRequest(operator_id=OPERATOR, label=label)
        found[label] = (await booking.timetable.RegisterVehicle(request, metadata=booking.metadata(STAFF))).id
    return found


async def assign(booking: Any, tracking: fleet.Tracking, departure: Any, vehicle_id: str) -> None:
    """Let a bus run a departure and wait until tracking has heard of it."""
    request = timetable_service_pb2.AssignVehicleRequest(
        departure_id=departure.id, vehicle_id=vehicle_id, version=departure.version
    )
    assigned = await booking.timetable.AssignVehicle(request, metadata=booking.metadata(STAFF))
    departure.CopyFrom(assigned)

    async def is_known() -> bool:
        found = await tracking.store.read(lambda work: work.departures.find([departure.id]))
        return bool(found) and found[departure.id].vehicle_id == vehicle_id

    await until(is_known, seconds=60)


class Replay:
    """The day, step by step: every bus on a stream of its own, all that it reports in a step at once."""

    def __init__(self, booking: Any, tracking: fleet.Tracking, clock: FixedClock, departures: Imported) -> None:
        self._booking = booking
        self._tracking = tracking
        self._clock = clock
        self._departures = departures
        self._runs: dict[str, str] = {}
        self._streams: dict[str, Any] = {}

    async def drive(self, buses: Buses, vehicle_ids: dict[str, str]) -> None:
        rows = sorted((row for some in buses.positions.values() for row in some), key=lambda row: int(row["timestamp"]))
        for _, step in groupby(rows, key=lambda row: int(row["timestamp"]) // STEP_SECONDS):
            by_vehicle: dict[str, list[Row]] = {}
            for row in step:
                by_vehicle.setdefault(row["vehicle_id"], []).append(row)
                if self._runs.get(row["trip_id"]) != row["vehicle_id"]:
                    self._runs[row["trip_id"]] = row["vehicle_id"]
                    departure, vehicle_id = self._departures[row["trip_id"]], vehicle_ids[row["vehicle_id"]]
                    if departure.vehicle.id != vehicle_id:
                        await assign(self._booking, self._tracking, departure, vehicle_id)
            last = max(int(row["timestamp"]) for some in by_vehicle.values() for row in some)
            self._clock.advance((datetime.fromtimestamp(last, UTC) - self._clock.now()).total_seconds())
            await asyncio.gather(*(self._report(vehicle_ids[label], some) for label, some in by_vehicle.items()))

    async def _report(self, vehicle_id: str, rows: list[Row]) -> None:
        if vehicle_id not in self._streams:
            metadata = self._tracking.metadata(DRIVER, seconds=86_400)
            self._streams[vehicle_id] = self._tracking.stub.StreamPositions(metadata=metadata)
        batch = tracking_service_pb2.PositionBatch(vehicle_id=vehicle_id)
        for row in rows:
            place = {"latitude": float(row["latitude"]), "longitude": float(row["longitude"])}
            batch.positions.add(**place).recorded_at.seconds = int(row["timestamp"])
        ack = await exchange(self._streams[vehicle_id], batch)
        assert ack.accepted == len(rows), ack

    def close(self) -> None:
        for call in self._streams.values():
            call.cancel()


async def arrivals(nats_url: str, tracking: fleet.Tracking) -> dict[tuple[str, int], datetime]:
    """Read from the broker what was told of arrivals, departure and call -> when; each must be told once."""
    client = await nats_client.connect(nats_url)
    jetstream = client.jetstream()

    async def is_all_told() -> bool:
        waiting = await tracking.store.read(lambda work: work.connection.exec_driver_sql(
            "SELECT count(*) FROM outbox WHERE published_at IS NULL").scalar_one())  # fmt: skip
        return not waiting

    await until(is_all_told, seconds=60)
    found: dict[tuple[str, int], datetime] = {}
    subscription = await jetstream.pull_subscribe("headway.v1.vehicle.arrived.>", stream="VEHICLE")
    while True:
        try:
            messages = await subscription.fetch(500, timeout=1)
        except nats_client.errors.TimeoutError:
            break
        for message in messages:
            told = vehicle_events_pb2.VehicleArrived.FromString(message.data).at
            key = (told.departure_id, told.call_sequence)
            assert key not in found, f"told twice: {key}"
            found[key] = told.occurred_at.ToDatetime(UTC)
            await message.ack()
    await client.close()
    return found


@pytest.mark.slow
async def test_nine_of_ten_calls_are_told_of_buses_that_drive_onto_imported_departures(
    running: tuple[Any, fleet.Tracking], buses: Buses, clock: FixedClock, nats: NatsServer
):
    booking, tracking = running
    departures = await put_on_sale(booking)
    vehicle_ids = await register(booking, buses)
    first_of = {row["trip_id"]: label for label, rows in reversed(buses.positions.items()) for row in reversed(rows)}
    for trip_id, label in first_of.items():
        await assign(booking, tracking, departures[trip_id], vehicle_ids[label])
    replay, began = Replay(booking, tracking, clock, departures), time.monotonic()
    await replay.drive(buses, vehicle_ids)
    replay.close()
    first = min(int(rows[0]["timestamp"]) for rows in buses.positions.values())
    speed = (clock.now().timestamp() - first) / (time.monotonic() - began)
    told, counts = await arrivals(nats.url, tracking), Counter[str]()
    shown: set[tuple[str, int]] = set()
    for label in buses.positions:
        for (trip_id, call), (since, until_) in buses.passed(label).items():
            key = (departures[trip_id].id, call)
            shown.add(key)
            at = told.get(key)
            if at is None:
                counts["missed"] += 1
            else:
                is_then = since - TOLERANCE <= at.timestamp() <= until_ + TOLERANCE
                counts["found" if is_then else "at another time"] += 1
    counts["false"] = len(told.keys() - shown)
    total = counts["found"] + counts["missed"] + counts["at another time"]
    print(f"\n{total} calls shown: {dict(counts)}; found {counts['found'] / total:.1%}, driven at {speed:.0f}x")
    assert speed >= SPEED_MIN
    assert counts["found"] >= FOUND_MIN * total
    assert counts["false"] <= FALSE_MAX * total
