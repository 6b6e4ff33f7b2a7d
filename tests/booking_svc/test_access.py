"""Who may call what: each method with no token, a wrong one, one without the scope, and the right one."""

from typing import Any

import pytest
from grpc import StatusCode
from headway.booking.v1 import booking_service_pb2 as pb
from headway.booking.v1 import operations_service_pb2 as operations_pb
from headway.booking.v1 import timetable_service_pb2 as timetable_pb

from booking_svc.servicers.access import RULES
from chassis.access import PUBLIC, SERVICES, Caller
from tests.booking_svc.builders import ADMIN, FOREIGN_STAFF, OPERATOR, RIDER, STAFF
from tests.booking_svc.service import Booking, Metadata, departure_request, refusal
from tests.clocks import FixedClock

SERVICES_BY_NAME = {
    service.full_name: service
    for service in (
        pb.DESCRIPTOR.services_by_name["BookingService"],
        timetable_pb.DESCRIPTOR.services_by_name["TimetableService"],
        operations_pb.DESCRIPTOR.services_by_name["OperationsService"],
    )
}
METHODS = {f"/{name}/{method.name}": method for name, service in SERVICES_BY_NAME.items() for method in service.methods}
GUARDED = [name for name in METHODS if RULES[name] not in (PUBLIC, SERVICES)]
STRANGER = Caller("usr_stranger", frozenset({"positions:write", "fares:write"}), operator_id=OPERATOR)


def send(booking: Booking, name: str, metadata: Metadata) -> Any:
    """Call a method with an empty message."""
    method = METHODS[name]
    kind = booking.channel.unary_stream if method.server_streaming else booking.channel.unary_unary
    call = kind(name, request_serializer=lambda message: message.SerializeToString())
    return call(method.input_type._concrete_class(), metadata=metadata)


def test_every_method_has_a_rule() -> None:
    assert set(RULES) == set(METHODS)


@pytest.mark.parametrize("name", GUARDED)
async def test_nobody_gets_in_without_a_token(on_sqlite: Booking, name: str) -> None:
    refused = await refusal(send(on_sqlite, name, on_sqlite.metadata(None)))
    assert (refused.code, refused.reason) == (StatusCode.UNAUTHENTICATED, "UNAUTHENTICATED")


@pytest.mark.parametrize("name", GUARDED)
async def test_nobody_gets_in_without_the_scope(on_sqlite: Booking, name: str) -> None:
    refused = await refusal(send(on_sqlite, name, on_sqlite.metadata(STRANGER)))
    assert (refused.code, refused.reason) == (StatusCode.PERMISSION_DENIED, "FORBIDDEN")
    assert refused.facts["scope"] == " or ".join(sorted(RULES[name].scopes))


@pytest.mark.parametrize("name", GUARDED)
async def test_who_has_the_scope_gets_past_the_door(on_sqlite: Booking, name: str) -> None:
    try:
        await send(on_sqlite, name, on_sqlite.metadata(ADMIN))
    except Exception as error:
        assert error.code() not in (StatusCode.UNAUTHENTICATED, StatusCode.PERMISSION_DENIED)  # noqa: PT017


def tokens(booking: Booking, clock: FixedClock) -> dict[str, str]:
    good = booking.token(RIDER)
    return {
        "garbage": "x.y.z",
        "cut": good[:-4],
        "expired": booking.token(RIDER, seconds=0),
        "of another process": booking.signer("pricing").sign(
            {"sub": "usr_1", "scope": "bookings"}, typ="at+jwt", now=clock.now(), ttl=clock.now() - clock.now()
        ),
        "for another purpose": booking.quote_token(),
    }


@pytest.mark.parametrize("name", ["garbage", "cut", "expired", "of another process", "for another purpose"])
async def test_a_token_that_is_not_the_gateway_s_opens_nothing_not_even_what_is_public(
    on_sqlite: Booking, clock: FixedClock, name: str
) -> None:
    metadata = (("authorization", f"Bearer {tokens(on_sqlite, clock)[name]}"),)
    for method in ("/headway.booking.v1.BookingService/GetBooking", "/headway.booking.v1.BookingService/GetSeatMap"):
        assert (await refusal(send(on_sqlite, method, metadata))).code is StatusCode.UNAUTHENTICATED


async def test_what_is_public_needs_no_token(on_sqlite: Booking) -> None:
    departure = await on_sqlite.publish()
    anybody = on_sqlite.metadata(None, key=None)
    read = await on_sqlite.timetable.GetDeparture(
        timetable_pb.GetDepartureRequest(departure_id=departure.id), metadata=anybody
    )
    assert read == departure
    listed = [one async for one in on_sqlite.timetable.ListDepartures(timetable_pb.ListDeparturesRequest())]
    assert [one.departure for one in listed] == [departure]
    wanted = {"departure_id": departure.id}
    found = await on_sqlite.bookings.GetAvailability(pb.GetAvailabilityRequest(**wanted), metadata=anybody)
    assert (found.seats_available, found.capacity) == (50, 50)
    seats = await on_sqlite.bookings.GetSeatMap(pb.GetSeatMapRequest(**wanted), metadata=anybody)
    assert len(seats.seats) == 50


async def test_looking_a_booking_up_is_for_our_own_processes(on_sqlite: Booking) -> None:
    held = await on_sqlite.hold((await on_sqlite.publish(), 0, 1))
    request = pb.LookUpBookingRequest(reference=held.reference, email="rider@example.com")
    assert (await on_sqlite.bookings.LookUpBooking(request, metadata=on_sqlite.as_service())).id == held.id
    for caller, code in ((None, StatusCode.UNAUTHENTICATED), (ADMIN, StatusCode.PERMISSION_DENIED)):
        refused = await refusal(on_sqlite.bookings.LookUpBooking(request, metadata=on_sqlite.metadata(caller)))
        assert refused.code is code


STAFF_CALLS = {
    "PublishDeparture": departure_request,
    "CancelDepartures": lambda: timetable_pb.CancelDeparturesRequest(operator_id=OPERATOR, departure_ids=["dep_1"]),
    "CreateLayout": lambda: timetable_pb.CreateLayoutRequest(operator_id=OPERATOR, name="Boat"),
    "ListLayouts": lambda: timetable_pb.ListLayoutsRequest(operator_id=OPERATOR),
    "RegisterVehicle": lambda: timetable_pb.RegisterVehicleRequest(operator_id=OPERATOR, label="Swift"),
}


@pytest.mark.parametrize("method", STAFF_CALLS)
async def test_staff_of_another_operator_may_not(on_sqlite: Booking, method: str) -> None:
    call = getattr(on_sqlite.timetable, method)(STAFF_CALLS[method](), metadata=on_sqlite.metadata(FOREIGN_STAFF))
    refused = await refusal(call)
    assert (refused.code, refused.reason) == (StatusCode.PERMISSION_DENIED, "FORBIDDEN")


async def test_staff_of_another_operator_find_no_departure_to_assign_to(on_sqlite: Booking) -> None:
    departure = await on_sqlite.publish()
    for departure_id in (departure.id, "dep_none", "\0"):
        request = timetable_pb.AssignVehicleRequest(departure_id=departure_id, vehicle_id="veh_1", version=1)
        call = on_sqlite.timetable.AssignVehicle(request, metadata=on_sqlite.metadata(FOREIGN_STAFF))
        assert (await refusal(call)).code is StatusCode.NOT_FOUND


async def test_the_administrator_works_for_every_operator(on_sqlite: Booking) -> None:
    assert (await on_sqlite.publish(caller=ADMIN)).id
    assert (await on_sqlite.publish(caller=ADMIN, operator_id="opr_new")).operator_id == "opr_new"
    refused = await refusal(on_sqlite.publish(caller=STAFF, operator_id="opr_new"))
    assert refused.reason == "FORBIDDEN"
