"""What comes in is checked again behind the gateway: every limit with the pointer to the field that breaks it."""

from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from grpc import StatusCode
from headway.booking.v1 import booking_service_pb2 as pb
from headway.booking.v1 import timetable_service_pb2 as timetable_pb
from headway.booking.v1 import vehicles_pb2
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.booking_svc import service
from tests.booking_svc.builders import ADMIN, HOLD_SECONDS, OPERATOR, OTHER_RIDER
from tests.booking_svc.payments import Provider
from tests.booking_svc.service import Booking, call_input, departure_request, refusal
from tests.booking_svc.test_access import METHODS
from tests.clocks import FixedClock


@pytest.fixture(scope="module")
async def booking(
    tmp_path_factory: pytest.TempPathFactory, migrated_postgresql_url: str, provider: Provider
) -> AsyncIterator[Booking]:
    """One service on PostgreSQL, the stricter database, for all that leaves nothing behind."""
    keys_dir = tmp_path_factory.mktemp("limits") / "keys"
    async with service.serving(service.settings(migrated_postgresql_url, keys_dir, provider.url), FixedClock()) as one:
        yield one


def rider(**changes: Any) -> pb.PassengerInput:
    return pb.PassengerInput(**({"name": "Ada Lovelace", "category": "adult"} | changes))


def hold(**changes: Any) -> pb.HoldBookingRequest:
    usual = {"quote_token": "x", "passengers": [rider()], "contact": pb.Contact(email="rider@example.com")}
    return pb.HoldBookingRequest(**(usual | changes))


def stop(**changes: Any) -> list[timetable_pb.CallInput]:
    """Change the first call's stop."""
    calls = [call_input(0, 0), call_input(1, 1)]
    for name, value in changes.items():
        setattr(calls[0].stop, name, value)
    return calls


def timed(seconds: int) -> list[timetable_pb.CallInput]:
    calls = [call_input(0, 0), call_input(1, 1)]
    calls[1].scheduled_arrival_at.CopyFrom(Timestamp(seconds=seconds))
    return calls


def layout(**changes: Any) -> timetable_pb.CreateLayoutRequest:
    seat = {"id": "1A", "row": 1, "column": 1} | changes
    return timetable_pb.CreateLayoutRequest(operator_id=OPERATOR, name="Boat", seats=[vehicles_pb2.LayoutSeat(**seat)])


def listing(**changes: Any) -> timetable_pb.ListDeparturesRequest:
    return timetable_pb.ListDeparturesRequest(**changes)


def cancelling(**changes: Any) -> timetable_pb.CancelDeparturesRequest:
    return timetable_pb.CancelDeparturesRequest(**({"operator_id": OPERATOR} | changes))


WRONG: list[tuple[Any, list[str]]] = [
    (hold(passengers=[]), ["/passengers"]),
    (hold(passengers=[rider()] * 51), ["/passengers"]),
    (hold(passengers=[rider()] * 100), ["/passengers"]),
    (hold(passengers=[rider(name="")]), ["/passengers/0/name"]),
    (hold(passengers=[rider(), rider(name=" \t")]), ["/passengers/1/name"]),
    (hold(passengers=[rider(name="a" * 201)]), ["/passengers/0/name"]),
    (hold(passengers=[rider(name="Ada\0")]), ["/passengers/0/name"]),
    (hold(passengers=[rider(category="")]), ["/passengers/0/category"]),
    (hold(passengers=[rider(category="a" * 33)]), ["/passengers/0/category"]),
    (hold(passengers=[rider(seat_ids=["1A"] * 7)]), ["/passengers/0/seat_ids"]),
    (hold(passengers=[rider(seat_ids=["123456789"])]), ["/passengers/0/seat_ids"]),
    (hold(passengers=[rider(seat_ids=["\0"])]), ["/passengers/0/seat_ids"]),
    (hold(passengers=[rider(needs=["\0"])]), ["/passengers/0/needs"]),
    (hold(passengers=[rider(needs=[""])]), ["/passengers/0/needs"]),
    (hold(contact=pb.Contact()), ["/contact/email"]),
    (hold(contact=pb.Contact(email="rider")), ["/contact/email"]),
    (hold(contact=pb.Contact(email="ri der@example.com")), ["/contact/email"]),
    (hold(contact=pb.Contact(email="rider@exam\0ple.com")), ["/contact/email"]),
    (hold(contact=pb.Contact(email="rider@example.com", phone="1" * 33)), ["/contact/phone"]),
    (hold(quote_token=""), ["/quote_token"]),
    (hold(quote_token="", passengers=[]), ["/quote_token", "/passengers"]),
    (pb.CancelBookingRequest(booking_id="bkg_1"), ["/cancellation_quote_token"]),
    (pb.QuoteCancellationRequest(booking_id="bkg_1", item_ids=["itm_1", "\0"]), ["/item_ids"]),
    (pb.ListBookingsRequest(departure_id="\0"), ["/departure_id"]),
    (pb.ListBookingsRequest(cursor="\0"), ["/cursor"]),
    (pb.LookUpBookingRequest(reference="ABC234", email="\0@example.com"), ["/email"]),
    (pb.LookUpBookingRequest(reference="ABC234"), ["/email"]),
    (pb.GetAvailabilityRequest(departure_id="dep_1", origin_stop_id="a" * 65), ["/origin_stop_id"]),
    (pb.GetSeatMapRequest(departure_id="dep_1", destination_stop_id="\0"), ["/destination_stop_id"]),
    (departure_request(operator_id=""), ["/operator_id"]),
    (departure_request(operator_id="a b"), ["/operator_id"]),
    (departure_request(feed_trip_id="\0"), ["/feed_trip_id"]),
    (departure_request(route=timetable_pb.RouteInput(mode=1)), ["/route/short_name"]),
    (departure_request(route=timetable_pb.RouteInput(short_name="F1")), ["/route/mode"]),
    (departure_request(route=timetable_pb.RouteInput(short_name="F1", mode=99)), ["/route/mode"]),
    (departure_request(headsign="a" * 201), ["/headsign"]),
    (departure_request(service_date="10/01/2030"), ["/service_date"]),
    (departure_request(service_date="2030-02-30"), ["/service_date"]),
    (departure_request(service_date="0001-01-01"), ["/service_date"]),
    (departure_request(service_date="9999-12-31"), ["/service_date"]),
    (departure_request(layout_id="\0"), ["/layout_id"]),
    (departure_request(calls=[call_input(0, 0)] * 301), ["/calls"]),
    (departure_request(calls=[]), ["/calls"]),
    (departure_request(calls=[timetable_pb.CallInput(), call_input(1, 1)]), ["/calls/0/stop_id"]),
    (departure_request(calls=stop(name="")), ["/calls/0/stop/name"]),
    (departure_request(calls=stop(timezone="Mars/Base")), ["/calls/0/stop/timezone"]),
    (departure_request(calls=stop(timezone="../etc/passwd")), ["/calls/0/stop/timezone"]),
    (departure_request(calls=stop(latitude=90.1)), ["/calls/0/stop/latitude"]),
    (departure_request(calls=stop(latitude=float("nan"))), ["/calls/0/stop/latitude"]),
    (departure_request(calls=stop(longitude=float("inf"))), ["/calls/0/stop/longitude"]),
    (departure_request(calls=stop(longitude=-180.1)), ["/calls/0/stop/longitude"]),
    (departure_request(calls=stop(zone_id="\0")), ["/calls/0/stop/zone_id"]),
    (departure_request(calls=timed(10**18)), ["/calls/1/scheduled_arrival_at"]),
    (departure_request(calls=timed(-(10**18))), ["/calls/1/scheduled_arrival_at"]),
    (departure_request(calls=timed(253_402_300_799)), ["/calls/1/scheduled_arrival_at"]),
    (departure_request(calls=timed(0)), ["/calls/1"]),
    (layout(id="\0"), ["/seats/0/id"]),
    (layout(row=-1), ["/seats/0/row"]),
    (layout(column=10_001), ["/seats/0/column"]),
    (layout(features=[""]), ["/seats/0/features"]),
    (timetable_pb.CreateLayoutRequest(operator_id=OPERATOR), ["/name"]),
    (timetable_pb.ListLayoutsRequest(operator_id=OPERATOR, cursor="\0"), ["/cursor"]),
    (timetable_pb.ListLayoutsRequest(), ["/operator_id"]),
    (timetable_pb.RegisterVehicleRequest(operator_id=OPERATOR), ["/label"]),
    (timetable_pb.RegisterVehicleRequest(operator_id=OPERATOR, label="S", layout_id="\0"), ["/layout_id"]),
    (listing(operator_id="\0"), ["/operator_id"]),
    (listing(stop_id="\0"), ["/stop_id"]),
    (listing(service_date="\0"), ["/service_date"]),
    (listing(cursor="\0"), ["/cursor"]),
    (listing(cursor="x"), ["/cursor"]),
    (listing(cursor="2030-01-10T08:00:00Z~\0"), ["/cursor"]),
    (listing(limit=-1), ["/limit"]),
    (cancelling(operator_id=""), ["/operator_id"]),
    (cancelling(departure_ids=["\0"]), ["/departure_ids"]),
    (cancelling(departure_ids=["dep_1"] * 101), ["/departure_ids"]),
    (cancelling(), ["/departure_ids"]),
    (cancelling(route_id="\0"), ["/route_id"]),
    (cancelling(starts_from=Timestamp(seconds=10**18)), ["/starts_from"]),
    (cancelling(starts_before=Timestamp(seconds=-(10**18))), ["/starts_before"]),
    (cancelling(starts_from=Timestamp(seconds=60), starts_before=Timestamp(seconds=60)), ["/starts_before"]),
]


def method_of(request: Any) -> str:
    return next(name for name, method in METHODS.items() if method.input_type == request.DESCRIPTOR)


def send(booking: Booking, request: Any) -> Any:
    name = method_of(request)
    method = METHODS[name]
    kind = booking.channel.unary_stream if method.server_streaming else booking.channel.unary_unary
    call = kind(name, request_serializer=type(request).SerializeToString)
    metadata = (*booking.metadata(ADMIN), *booking.as_service())
    return read_all(call(request, metadata=metadata)) if method.server_streaming else call(request, metadata=metadata)


async def read_all(stream: Any) -> list[Any]:
    return [message async for message in stream]


def named(case: Any) -> str:
    request, pointers = case
    return f"{method_of(request).rpartition('/')[2]}{pointers[0]}"


@pytest.mark.parametrize("case", WRONG, ids=named)
async def test_what_breaks_a_limit_is_refused_with_its_pointer(booking: Booking, case: tuple[Any, list[str]]) -> None:
    request, pointers = case
    refused = await refusal(send(booking, request))
    assert (refused.code, refused.reason) == (StatusCode.INVALID_ARGUMENT, "INVALID_VALUE")
    assert [error.pointer for error in refused.errors] == pointers
    assert all(error.detail.endswith(".") for error in refused.errors)


IDENTIFIED: list[Callable[[str], Any]] = [
    lambda one: pb.GetBookingRequest(booking_id=one),
    lambda one: pb.GetTicketRequest(booking_id="bkg_1", ticket_id=one),
    lambda one: pb.LookUpBookingRequest(reference=one, email="rider@example.com"),
    lambda one: pb.GetAvailabilityRequest(departure_id=one),
    lambda one: pb.GetSeatMapRequest(departure_id=one),
    lambda one: timetable_pb.GetDepartureRequest(departure_id=one),
    lambda one: timetable_pb.AssignVehicleRequest(departure_id=one, vehicle_id="veh_1"),
    lambda one: timetable_pb.AssignVehicleRequest(departure_id="dep_1", vehicle_id=one),
]


@pytest.mark.parametrize("make", IDENTIFIED, ids=lambda make: method_of(make("x")).rpartition("/")[2])
@pytest.mark.parametrize("identifier", ["", "none", "\0", "a b", "é", "a" * 10_000, "'; DROP TABLE bookings; --"])
async def test_whatever_is_not_there_is_not_found(
    booking: Booking, make: Callable[[str], Any], identifier: str
) -> None:
    refused = await refusal(send(booking, make(identifier)))
    assert (refused.code, refused.reason) == (StatusCode.NOT_FOUND, "NOT_FOUND")


@pytest.mark.parametrize("name", METHODS)
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(junk=st.binary(max_size=200))
async def test_bytes_that_are_no_message_break_nothing(booking: Booking, name: str, junk: bytes) -> None:
    kind = booking.channel.unary_stream if METHODS[name].server_streaming else booking.channel.unary_unary
    call = kind(name)(junk, metadata=(*booking.metadata(ADMIN), *booking.as_service()))
    try:
        await (read_all(call) if METHODS[name].server_streaming else call)
    except Exception as error:
        harmless = (StatusCode.INVALID_ARGUMENT, StatusCode.NOT_FOUND, StatusCode.FAILED_PRECONDITION)
        assert error.code() in harmless  # noqa: PT017


async def test_pages_are_bounded_and_go_on(on_sqlite: Booking) -> None:
    departure = await on_sqlite.publish()
    held = [(await on_sqlite.hold((departure, 0, 1))).id for _ in range(5)]
    seen: list[str] = []
    cursor = ""
    while True:
        page = await on_sqlite.bookings.ListBookings(
            pb.ListBookingsRequest(limit=2, cursor=cursor), metadata=on_sqlite.metadata()
        )
        seen += [one.id for one in page.bookings]
        cursor = page.next_cursor
        if not cursor:
            break
    assert (len(seen), set(seen)) == (5, set(held))
    for limit in (-5, 0, 1000):
        request = pb.ListBookingsRequest(limit=limit)
        assert len((await on_sqlite.bookings.ListBookings(request, metadata=on_sqlite.metadata())).bookings) == 5


async def test_departures_are_read_to_the_end_or_as_many_as_asked(on_sqlite: Booking) -> None:
    published = [(await on_sqlite.publish()).id for _ in range(5)]
    everything = await read_all(on_sqlite.timetable.ListDepartures(listing()))
    assert [one.departure.id for one in everything] == sorted(published)
    three = await read_all(on_sqlite.timetable.ListDepartures(listing(limit=3)))
    rest = await read_all(on_sqlite.timetable.ListDepartures(listing(cursor=three[-1].cursor)))
    assert [*three, *rest] == everything


async def test_more_departures_than_a_read_takes_are_streamed(
    on_sqlite: Booking, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("booking_svc.servicers.timetable.DEPARTURES_A_READ", 2)
    for _ in range(5):
        await on_sqlite.publish()
    assert len(await read_all(on_sqlite.timetable.ListDepartures(listing()))) == 5
    assert len(await read_all(on_sqlite.timetable.ListDepartures(listing(limit=3)))) == 3


async def test_a_rider_has_so_many_holds_and_is_told_how_long_to_wait(
    ready_sqlite_url: str, keys_dir: Path, provider: Provider, clock: FixedClock
) -> None:
    capped = service.settings(ready_sqlite_url, keys_dir, provider.url, holds_per_rider=2, hold_seconds=60)
    async with service.serving(capped, clock) as booking:
        departure = await booking.publish()
        await booking.hold((departure, 0, 1))
        clock.advance(20)
        await booking.hold((departure, 0, 1))
        refused = await refusal(booking.hold((departure, 0, 1)))
        assert (refused.code, refused.reason) == (StatusCode.RESOURCE_EXHAUSTED, "TOO_MANY_HOLDS")
        assert (refused.facts, refused.retry_after_seconds) == ({"holds_max": 2}, 40.0)
        assert (await booking.hold((departure, 0, 1), caller=OTHER_RIDER)).id
        clock.advance(40)
        assert (await booking.hold((departure, 0, 1))).id


async def test_a_hold_lasts_as_long_as_the_service_is_told(on_sqlite: Booking) -> None:
    held = await on_sqlite.hold((await on_sqlite.publish(), 0, 1))
    assert held.hold_expires_at.ToDatetime() - held.created_at.ToDatetime() == timedelta(seconds=HOLD_SECONDS)
