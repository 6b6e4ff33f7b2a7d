"""Where a vehicle is, how fresh that is, and who may know."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from grpc import StatusCode
from headway.tracking.v1 import positions_pb2, tracking_service_pb2

from chassis.access import Caller
from chassis.errors import NotFound
from chassis.keys import open_signer
from chassis.rpc_client import ServiceIdentity
from chassis.store import Store
from tests.clocks import FixedClock
from tests.tracking_svc.fleet import (
    ADMIN,
    FERRY,
    FERRY_DEVICE,
    LAND_STAFF,
    SEA_STAFF,
    Tracking,
    batch,
    position,
    report,
    wire,
)
from tests.tracking_svc.wires import refusal_of
from tracking_svc.domain.vehicles import Freshness, Sighting, TrackedVehicle
from tracking_svc.queries.get_vehicle import get_vehicle
from tracking_svc.store.work import Work

NOW = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)
FERRY_ASKED = tracking_service_pb2.GetVehicleRequest(vehicle_id=FERRY.id)
BOOKING = Caller(service="booking")


@pytest.mark.parametrize(
    ("recorded", "received", "freshness"),
    [
        (0, 0, Freshness.LIVE),
        (15, 14, Freshness.LIVE),
        (15.001, 1, Freshness.STALE),
        (90, 90, Freshness.STALE),
        (90.001, 2, Freshness.UNKNOWN),
        (-60, 15, Freshness.LIVE),
        (-30, 15.001, Freshness.STALE),
        (50, 90.001, Freshness.UNKNOWN),
    ],
    ids=str,
)
def test_age_counts_from_when_it_was_there_but_from_no_later_than_when_we_were_told(
    recorded: float, received: float, freshness: Freshness
):
    """Both in seconds ago: a point that waited is old, and a clock that is fast makes nothing younger."""
    at = NOW - timedelta(seconds=recorded)
    assert Sighting(position(1, at), NOW - timedelta(seconds=received)).freshness(NOW) is freshness


def ask(store: Store[Work], caller: Caller, vehicle: str = FERRY.id) -> TrackedVehicle:
    with store.database.reader.begin() as connection:
        return get_vehicle(store._open_work(connection, store._clock.now()), caller=caller, vehicle_id=vehicle)


def test_a_vehicle_without_a_point_is_known_and_its_freshness_unknown(store: Store[Work]):
    assert ask(store, ADMIN) == TrackedVehicle(FERRY, None, Freshness.UNKNOWN)


def test_the_newest_position_is_told_with_everything_that_came_with_it(store: Store[Work], clock: FixedClock):
    sent = position(7, clock.now(), speed_meters_per_second=3.5, heading_degrees=271.25, accuracy_meters=4.5)
    clock.advance(1)
    report(store, batch([sent]))
    assert ask(store, SEA_STAFF) == TrackedVehicle(FERRY, Sighting(sent, clock.now()), Freshness.LIVE)


@pytest.mark.parametrize("caller", [ADMIN, SEA_STAFF, BOOKING], ids=["admin", "staff", "service"])
def test_staff_see_their_operators_vehicles_and_services_all(store: Store[Work], caller: Caller):
    assert ask(store, caller).vehicle == FERRY


@pytest.mark.parametrize(
    ("caller", "vehicle"),
    [
        (LAND_STAFF, FERRY.id),
        (replace(LAND_STAFF, service="gateway"), FERRY.id),
        (replace(SEA_STAFF, operator_id=""), FERRY.id),
        (ADMIN, "veh_unknown"),
        (ADMIN, "veh_\0"),
        (BOOKING, ""),
    ],
    ids=["foreign", "foreign through a service", "nobody's staff", "unknown", "NUL", "empty"],
)
def test_foreign_and_absent_vehicles_are_not_found(store: Store[Work], caller: Caller, vehicle: str):
    with pytest.raises(NotFound):
        ask(store, caller, vehicle)


async def test_it_is_told_over_the_wire(tracking: Tracking, clock: FixedClock):
    sent = position(7, clock.now(), speed_meters_per_second=0.0)
    await tracking.stub.ReportPositions(wire([sent]), metadata=tracking.metadata())
    found = await tracking.stub.GetVehicle(FERRY_ASKED, metadata=tracking.metadata(SEA_STAFF))
    assert (found.id, found.operator_id, found.label) == (FERRY.id, FERRY.operator_id, FERRY.label)
    assert found.position == wire([sent]).positions[0]
    assert not found.position.HasField("heading_degrees")
    assert found.received_at.ToDatetime(UTC) == clock.now()
    assert found.freshness == positions_pb2.FRESHNESS_LIVE
    clock.advance(16)
    found = await tracking.stub.GetVehicle(FERRY_ASKED, metadata=tracking.metadata(SEA_STAFF))
    assert found.freshness == positions_pb2.FRESHNESS_STALE
    clock.advance(90)
    found = await tracking.stub.GetVehicle(FERRY_ASKED, metadata=tracking.metadata(SEA_STAFF))
    assert found.freshness == positions_pb2.FRESHNESS_UNKNOWN


async def test_without_a_point_there_is_no_position_on_the_wire(tracking: Tracking):
    found = await tracking.stub.GetVehicle(FERRY_ASKED, metadata=tracking.metadata(ADMIN))
    assert not found.HasField("position")
    assert not found.HasField("received_at")
    assert found.freshness == positions_pb2.FRESHNESS_UNKNOWN


async def test_reading_needs_its_scope_or_a_service(tracking: Tracking, clock: FixedClock, keys_dir):
    device = await refusal_of(tracking.stub.GetVehicle(FERRY_ASKED, metadata=tracking.metadata(FERRY_DEVICE)))
    assert device == (StatusCode.PERMISSION_DENIED, "FORBIDDEN")
    assert await refusal_of(tracking.stub.GetVehicle(FERRY_ASKED)) == (StatusCode.UNAUTHENTICATED, "UNAUTHENTICATED")
    foreign = await refusal_of(tracking.stub.GetVehicle(FERRY_ASKED, metadata=tracking.metadata(LAND_STAFF)))
    assert foreign == (StatusCode.NOT_FOUND, "NOT_FOUND")
    booking = ServiceIdentity(open_signer("booking", keys_dir), now=clock.now)
    assert (await tracking.stub.GetVehicle(FERRY_ASKED, metadata=booking.metadata())).id == FERRY.id
