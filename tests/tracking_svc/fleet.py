"""A small fleet, its devices and their tokens, and the service that follows it."""

import asyncio
import inspect
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from grpc import aio
from headway.tracking.v1 import positions_pb2, tracking_service_pb2, tracking_service_pb2_grpc
from prometheus_client import CollectorRegistry

from chassis.access import Caller
from chassis.clock import Clock
from chassis.keys import Signer
from chassis.lifecycle import Service
from chassis.store import Store
from tracking_svc.bootstrap import build, open_store
from tracking_svc.domain.points import NOT_TOLD, Points, Position, microseconds
from tracking_svc.domain.reports import Batch, Report
from tracking_svc.domain.vehicles import Vehicle
from tracking_svc.settings import TrackingSettings
from tracking_svc.store import frames
from tracking_svc.store.work import Work
from tracking_svc.use_cases.record_vehicle import record_vehicle
from tracking_svc.use_cases.report_positions import report_positions

NOBODY = "nats://127.0.0.1:1"
FERRY = Vehicle("veh_ferry", "opr_sea", "Ferry", 1)
TENDER = Vehicle("veh_tender", "opr_sea", "Tender", 1)
COACH = Vehicle("veh_coach", "opr_land", "Coach", 1)
FLEET = (FERRY, TENDER, COACH)

FERRY_DEVICE = Caller("dev_1", frozenset({"positions:write"}), operator_id="opr_sea", vehicle_id="veh_ferry")
SEA_STAFF = Caller("usr_1", frozenset({"positions:write", "fleet:read"}), operator_id="opr_sea")
LAND_STAFF = Caller("usr_2", frozenset({"positions:write", "fleet:read"}), operator_id="opr_land")
ADMIN = Caller("cli_1", frozenset({"positions:write", "fleet:read"}), operator_id="*")

PositionBatch = tracking_service_pb2.PositionBatch


def position(sequence: int, at: datetime, **others: Any) -> Position:
    """Make a point that lies north of the one before."""
    return Position(sequence, at, **({"latitude": 10 + sequence * 1e-4, "longitude": 20.0} | others))


def way(start: datetime, sequences: Sequence[int], *, seconds: float = 1.0) -> list[Position]:
    """Make points whose times rise with their sequences: number 1 is at the start."""
    return [position(number, start + timedelta(seconds=seconds * (number - 1))) for number in sequences]


def columns(positions: Sequence[Position]) -> Points:
    """Put points into columns."""

    def told(value: float | None) -> float:
        return NOT_TOLD if value is None else value

    return Points(
        [point.sequence for point in positions],
        [microseconds(point.recorded_at) for point in positions],
        [point.latitude for point in positions],
        [point.longitude for point in positions],
        [told(point.speed_meters_per_second) for point in positions],
        [told(point.heading_degrees) for point in positions],
        [told(point.accuracy_meters) for point in positions],
    )


def batch(positions: Sequence[Position], *, vehicle: str = FERRY.id, session: str = "s1") -> Batch:
    return Batch(vehicle, session, columns(positions))


def wire(positions: Sequence[Position], *, vehicle: str = FERRY.id, session: str = "s1") -> PositionBatch:
    """Write a batch as a device does."""
    message = PositionBatch(vehicle_id=vehicle, session_id=session)
    for point in positions:
        sent = positions_pb2.Position(
            sequence=point.sequence,
            latitude=point.latitude,
            longitude=point.longitude,
            speed_meters_per_second=point.speed_meters_per_second,
            heading_degrees=point.heading_degrees,
            accuracy_meters=point.accuracy_meters,
        )
        sent.recorded_at.FromDatetime(point.recorded_at)
        message.positions.append(sent)
    return message


@contextmanager
def opened(url: str, clock: Clock) -> Iterator[Store[Work]]:
    """Open a migrated store that knows the fleet."""
    store = open_store(url, clock)
    for vehicle in FLEET:
        commit(store, record_vehicle, vehicle=vehicle)
    try:
        yield store
    finally:
        store.stop()


def commit(store: Store[Work], use_case: Callable[..., Any], **data: Any) -> Any:
    """Run a use case in a transaction of its own, as the writer would."""
    with store.database.writer.begin() as connection:
        return use_case(store._open_work(connection, store._clock.now()), **data)


def report(store: Store[Work], sent: Batch, *, caller: Caller = FERRY_DEVICE) -> Report:
    found: Report = commit(store, report_positions, caller=caller, batch=sent)
    return found


def history(store: Store[Work], vehicle: str = FERRY.id) -> list[Position]:
    """Read every stored point of a vehicle, as it was recorded; doubled ones show twice."""
    query = sa.select(frames.TABLE.c.points).where(frames.TABLE.c.vehicle_id == vehicle)
    with store.database.reader.begin() as connection:
        stored = [frames.unpack(packed) for (packed,) in connection.execute(query)]
    points = [frame.at(place) for frame in stored for place in range(len(frame))]
    return sorted(points, key=lambda point: (point.recorded_at, point.sequence))


def frame_count(store: Store[Work]) -> int:
    with store.database.reader.begin() as connection:
        return connection.execute(sa.select(sa.func.count()).select_from(frames.TABLE)).scalar_one()


def newest(store: Store[Work], vehicle: str = FERRY.id) -> Position | None:
    with store.database.reader.begin() as connection:
        sighting = store._open_work(connection, store._clock.now()).sightings.find(vehicle)
    return sighting.position if sighting else None


def reasons(found: Report) -> list[tuple[int, str]]:
    return [(rejection.index, rejection.reason.value) for rejection in found.rejected]


async def until(is_so: Callable[[], object], *, seconds: float = 10) -> None:
    """Wait for what must come about; `is_so` may be a coroutine function."""
    deadline = asyncio.get_running_loop().time() + seconds
    while True:
        found = is_so()
        if await found if inspect.isawaitable(found) else found:
            return
        assert asyncio.get_running_loop().time() < deadline, "it did not come about in time"
        await asyncio.sleep(0.01)


@dataclass(frozen=True)
class Tracking:
    """A running service, a channel to it, whoever signs the tokens and what is measured."""

    service: Service
    channel: aio.Channel
    gateway: Signer
    clock: Clock
    registry: CollectorRegistry

    @property
    def store(self) -> Store[Work]:
        return self.service.store

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.service.server.port}"

    @property
    def stub(self) -> Any:
        return tracking_service_pb2_grpc.TrackingServiceStub(self.channel)

    def metadata(self, caller: Caller = FERRY_DEVICE, *, seconds: float = 900) -> tuple[tuple[str, str], ...]:
        return bearer(self.gateway, caller, now=self.clock.now(), seconds=seconds)


def bearer(gateway: Signer, caller: Caller, *, now: datetime, seconds: float = 900) -> tuple[tuple[str, str], ...]:
    """Sign a token as the gateway does and put it where a call carries it."""
    claims = {
        "sub": caller.subject,
        "scope": " ".join(sorted(caller.scopes)),
        "operator_id": caller.operator_id,
        "vehicle_id": caller.vehicle_id,
    }
    token = gateway.sign(claims, typ="at+jwt", now=now, ttl=timedelta(seconds=seconds))
    return (("authorization", f"Bearer {token}"),)


@asynccontextmanager
async def serving(
    settings: TrackingSettings, gateway: Signer, clock: Clock, *, vehicles: Sequence[Vehicle] = FLEET
) -> AsyncIterator[Tracking]:
    """Run the service in this process, on a socket."""
    registry = CollectorRegistry()
    service = build(settings, clock, registry=registry)
    await service.start()
    try:
        for vehicle in vehicles:
            await service.store.write(record_vehicle, vehicle=vehicle)
        async with aio.insecure_channel(f"127.0.0.1:{service.server.port}") as channel:
            yield Tracking(service, channel, gateway, clock, registry)
    finally:
        await service.stop()
