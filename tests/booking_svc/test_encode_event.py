"""Events as the broker sees them: streams, subjects, types and contents of the contract's section 5."""

import inspect
from dataclasses import replace

import pytest
from google.protobuf import descriptor_pool, message_factory
from google.protobuf.message import Message
from headway.booking.v1 import availability_events_pb2, bookings_pb2

from booking_svc.domain import events
from booking_svc.domain.departure import AssignedVehicle, Departure, DepartureState, Pattern, PatternCall
from booking_svc.domain.events import AvailabilityChanged, BookingEvent, DepartureEvent, VehicleRegistered
from booking_svc.domain.layout import Vehicle
from booking_svc.domain.occupancy import Occupancy
from booking_svc.encode_event import STREAMS, encode_event
from tests.booking_svc.bookings import NOW, confirmed, held, item, leg
from tests.booking_svc.builders import OPERATOR, SERVICE_DATE, stop

CLASSES = [kind for _, kind in inspect.getmembers(events, inspect.isclass) if kind.__module__ == events.__name__]
BOOKING_EVENTS = [kind for kind in CLASSES if issubclass(kind, BookingEvent) and kind is not BookingEvent]
DEPARTURE_EVENTS = [kind for kind in CLASSES if issubclass(kind, DepartureEvent) and kind is not DepartureEvent]
FACTS = {
    "BookingHeld": "held",
    "BookingConfirmed": "confirmed",
    "BookingCancelled": "cancelled",
    "BookingReleased": "released",
    "BookingExpired": "expired",
    "DeparturePublished": "published",
    "DepartureChanged": "changed",
    "DepartureCancelled": "cancelled",
    "VehicleAssigned": "vehicle_assigned",
}


def departure(**changes: object) -> Departure:
    calls = tuple(PatternCall(stop(number), number * 60, number * 60, True, True, 0.0) for number in range(3))
    made = Departure(
        "dep_1", OPERATOR, "", leg().route, "There", SERVICE_DATE, NOW, Pattern("pat_1", calls),
        DepartureState.SCHEDULED, AssignedVehicle("veh_1", "Swift"), "lay_default", 50, 3,
    )  # fmt: skip
    return replace(made, **changes)


def decoded(payload: bytes, type_name: str) -> Message:
    found = descriptor_pool.Default().FindMessageTypeByName(type_name)
    return message_factory.GetMessageClass(found).FromString(payload)


@pytest.mark.parametrize("kind", BOOKING_EVENTS)
def test_a_booking_s_fact_is_told_for_each_departure(kind: type[BookingEvent]) -> None:
    legs = (leg(0), leg(1))
    booking = held(legs=legs, items=(item(0), item(1, leg_index=1, departure_id="dep_1")))
    first, second = (encode_event(event) for event in kind.of(booking, now=NOW))
    fact = FACTS[kind.__name__]
    assert (first.stream, first.type) == ("BOOKING", f"headway.booking.v1.{kind.__name__}")
    assert first.subject == f"headway.v1.booking.{fact}.{OPERATOR}.dep_0"
    assert second.subject == f"headway.v1.booking.{fact}.{OPERATOR}.dep_1"
    summary = decoded(second.payload, second.type).booking
    assert (summary.booking_id, summary.departure_id, summary.operator_id) == ("bkg_1", "dep_1", OPERATOR)
    assert [(one.item_id, one.seat_id, one.category) for one in summary.items] == [("itm_1", "2A", "adult")]
    assert summary.occurred_at.ToDatetime() == NOW.replace(tzinfo=None)
    assert (summary.version, summary.total.amount_minor, summary.total.currency) == (1, 2000, "EUR")


@pytest.mark.parametrize("kind", BOOKING_EVENTS)
def test_a_booking_s_fact_tells_nobody_s_name_or_address(kind: type[BookingEvent]) -> None:
    (event,) = kind.of(confirmed(), now=NOW)
    payload = encode_event(event).payload
    assert b"Ada" not in payload
    assert b"rider@example.com" not in payload
    assert b"usr_rider" not in payload


def test_a_summary_tells_the_states_of_booking_and_items() -> None:
    (event,) = events.BookingCancelled.of(confirmed().cancel(["itm_0"], is_refunded=True), now=NOW)
    envelope = encode_event(event)
    summary = decoded(envelope.payload, envelope.type).booking
    assert summary.state == bookings_pb2.BOOKING_STATE_CONFIRMED
    assert [one.state for one in summary.items] == [
        bookings_pb2.ITEM_STATE_CANCELLED,
        bookings_pb2.ITEM_STATE_CONFIRMED,
    ]


@pytest.mark.parametrize("kind", DEPARTURE_EVENTS)
def test_a_departure_s_fact_carries_the_departure_and_names_its_pattern(kind: type[DepartureEvent]) -> None:
    envelope = encode_event(kind(departure()))
    assert (envelope.stream, envelope.type) == ("DEPARTURE", f"headway.booking.v1.{kind.__name__}")
    assert envelope.subject == f"headway.v1.departure.{FACTS[kind.__name__]}.{OPERATOR}.dep_1"
    told = decoded(envelope.payload, envelope.type).departure
    assert (told.id, told.version, told.vehicle.label) == ("dep_1", 3, "Swift")
    assert (told.pattern_id, told.starts_at.ToDatetime(tzinfo=NOW.tzinfo), len(told.calls)) == ("pat_1", NOW, 0)


def test_availability_tells_the_free_seats_of_every_segment_and_its_version() -> None:
    envelope = encode_event(AvailabilityChanged(Occupancy("dep_1", 50, (0, 3, 50), 0, 7), OPERATOR, NOW))
    assert (envelope.stream, envelope.subject) == ("AVAILABILITY", f"headway.v1.availability.changed.{OPERATOR}.dep_1")
    told = availability_events_pb2.AvailabilityChanged.FromString(envelope.payload)
    assert (list(told.seats_free), told.capacity, told.version) == ([50, 47, 0], 50, 7)


def test_a_vehicle_is_told_to_the_fleet() -> None:
    envelope = encode_event(VehicleRegistered(Vehicle("veh_1", OPERATOR, "Swift", "lay_default")))
    assert (envelope.stream, envelope.subject) == ("FLEET", f"headway.v1.fleet.registered.{OPERATOR}.veh_1")
    assert decoded(envelope.payload, envelope.type).vehicle.label == "Swift"


def test_every_event_is_encoded_and_finds_its_stream() -> None:
    assert {kind.__name__ for kind in (*BOOKING_EVENTS, *DEPARTURE_EVENTS)} == set(FACTS)
    assert {stream.name: stream.subjects for stream in STREAMS} == {
        "BOOKING": ("headway.v1.booking.>",),
        "AVAILABILITY": ("headway.v1.availability.>",),
        "DEPARTURE": ("headway.v1.departure.>",),
        "FEED": ("headway.v1.feed.>",),
        "FLEET": ("headway.v1.fleet.>",),
    }
    assert all(stream.is_durable for stream in STREAMS)


@pytest.mark.parametrize("operator_id", ["a.b", "a b", "*", ">", "é"])
def test_an_identifier_stays_one_token_of_its_subject(operator_id: str) -> None:
    subject = encode_event(events.DeparturePublished(departure(operator_id=operator_id))).subject
    assert len(subject.split(".")) == 6
    assert not set(" *>é") & set(subject)


def test_what_is_no_event_is_a_mistake_of_ours() -> None:
    with pytest.raises(TypeError, match="str"):
        encode_event("something")
