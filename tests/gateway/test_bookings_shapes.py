"""What a message says stands in its JSON, whatever it says: bookings and all that they are made of, and the rest."""

import json
import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from google.protobuf import message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from headway.booking.v1 import booking_service_pb2, bookings_pb2, timetable_service_pb2, vehicles_pb2
from headway.pricing.v1 import fares_pb2, pricing_service_pb2
from headway.tracking.v1 import live_pb2, positions_pb2, tracking_service_pb2
from headway.types.v1 import timetable_pb2
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.schemas import bookings, fares, live, search, timetable, vehicles

SHAPES: dict[type[Message], Any] = {
    timetable_pb2.Departure: timetable.Departure,
    timetable_pb2.Leg: timetable.Leg,
    timetable_pb2.Pattern: search.Pattern,
    timetable_service_pb2.FoundStop: search.FoundStop,
    timetable_service_pb2.ListedRoute: search.ListedRoute,
    bookings_pb2.Booking: bookings.Booking,
    booking_service_pb2.CancellationQuote: bookings.CancellationQuote,
    booking_service_pb2.HistoryEntry: bookings.HistoryEntry,
    booking_service_pb2.Availability: vehicles.Availability,
    booking_service_pb2.SeatMap: vehicles.SeatMap,
    vehicles_pb2.Layout: vehicles.Layout,
    vehicles_pb2.Vehicle: vehicles.Vehicle,
    live_pb2.LiveDeparture: live.LiveDeparture,
    positions_pb2.TrackedVehicle: vehicles.TrackedVehicle,
    tracking_service_pb2.PositionAck: vehicles.ReportedPositions,
    fares_pb2.Quote: fares.Quote,
    fares_pb2.FarePolicy: fares.FarePolicy,
}
MAY_BE_ABSENT = {
    "Departure.vehicle", "LiveDeparture.vehicle", "LiveDeparture.occupancy", "LiveCall.arrival",
    "TrackedVehicle.position", "HistoryEntry.amount",
}  # fmt: skip
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
WORD = st.from_regex(r"[A-Za-z0-9]([A-Za-z0-9 äß€_-]{0,11}[A-Za-z0-9])?", fullmatch=True)
ZONE = st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "Zs"]), min_size=1, max_size=12)
MINOR = st.integers(0, 10**9)
INSTANT = st.integers(0, 7_226_582_400_000_000).map(lambda count: EPOCH + timedelta(microseconds=count))
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "service_date": st.dates(date(1970, 1, 1), date(2199, 1, 1)).map(date.isoformat),
    "currency": st.from_regex(r"[A-Z]{3}", fullmatch=True),
    "amount_minor": st.integers(-(10**12), 10**12),
    "ZoneFare.amount_minor": MINOR,
    "base_minor": MINOR,
    "per_kilometer_minor": MINOR,
    "minimum_minor": MINOR,
    "maximum_minor": MINOR,
    "rounding_minor": st.integers(1, 10**9),
    "percent": st.integers(0, 1000),
    "origin_zone_id": ZONE,
    "destination_zone_id": ZONE,
}
"""By the field's name, or its message's and its own, where not everything of its type may come."""
SCALARS: dict[int, st.SearchStrategy[Any]] = {
    FieldDescriptor.TYPE_STRING: WORD,
    FieldDescriptor.TYPE_BOOL: st.booleans(),
    FieldDescriptor.TYPE_DOUBLE: st.floats(allow_nan=False, allow_infinity=False),
    FieldDescriptor.TYPE_INT32: st.integers(-(2**31), 2**31 - 1),
    FieldDescriptor.TYPE_INT64: st.integers(-(2**63), 2**63 - 1),
}


def messages(descriptor: Descriptor) -> st.SearchStrategy[Any]:
    """Make any message of a type that a service could send."""
    kind = message_factory.GetMessageClass(descriptor)
    if kind is Timestamp:
        return INSTANT.map(timestamp)
    return st.fixed_dictionaries({field.name: values(field) for field in descriptor.fields}).map(
        lambda fields: kind(**fields)
    )


def values(field: FieldDescriptor) -> st.SearchStrategy[Any]:
    name = f"{field.containing_type.name}.{field.name}"
    known = VALUES.get(name, VALUES.get(field.name))
    found = by_type(field) if known is None else known
    if field.is_repeated:
        return st.lists(found, min_size=1, max_size=3)
    is_optional = field.containing_oneof is not None or name in MAY_BE_ABSENT
    return st.none() | found if is_optional else found


def by_type(field: FieldDescriptor) -> st.SearchStrategy[Any]:
    if field.type == FieldDescriptor.TYPE_MESSAGE:
        return messages(field.message_type)
    if field.type == FieldDescriptor.TYPE_ENUM:
        return st.sampled_from([value.number for value in field.enum_type.values if value.number])
    if field.name.startswith(("feed_", "seat_id", "action_url")):
        return st.just("") | WORD
    return SCALARS[field.type]


def timestamp(instant: datetime) -> Timestamp:
    message = Timestamp()
    message.FromDatetime(instant)
    return message


def said(message: Message) -> Any:
    """Tell in JSON what a message says, found by its description alone, then told as the contract does."""
    if isinstance(message, Timestamp):
        return message.ToDatetime(tzinfo=UTC)
    found = {field.name: told(message, field) for field in message.DESCRIPTOR.fields}
    return RETOLD.get(message.DESCRIPTOR.name, lambda fields: fields)(found)


def told(message: Message, field: FieldDescriptor) -> Any:
    value = getattr(message, field.name)
    if field.is_repeated:
        return [one(item, field) for item in value]
    if field.has_presence and not message.HasField(field.name):
        return None
    return one(value, field)


def one(value: Any, field: FieldDescriptor) -> Any:
    if field.type == FieldDescriptor.TYPE_MESSAGE:
        return said(value)
    if field.type == FieldDescriptor.TYPE_ENUM:
        name = re.sub(r"(?<!^)(?=[A-Z])", "_", field.enum_type.name).upper()
        return field.enum_type.values_by_number[value].name[len(name) + 1 :].lower()
    return value


def without(fields: dict[str, Any], *names: str, **more: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if name not in names} | more


def call(fields: dict[str, Any]) -> dict[str, Any]:
    stop = fields["stop"]
    return without(
        fields,
        "stop",
        "is_boarding_allowed",
        "is_alighting_allowed",
        "is_interpolated",
        stop_id=stop["id"],
        feed_stop_id=stop["feed_stop_id"] or None,
        stop_name=stop["name"],
        timezone=stop["timezone"],
        latitude=stop["latitude"],
        longitude=stop["longitude"],
        boarding=fields["is_boarding_allowed"],
        alighting=fields["is_alighting_allowed"],
        interpolated=fields["is_interpolated"],
    )


def stop(fields: dict[str, Any]) -> dict[str, Any]:
    return fields | {name: fields[name] or None for name in ("feed_stop_id", "zone_id", "station_id")}


def pattern_call(fields: dict[str, Any]) -> dict[str, Any]:
    flags = {"boarding": "is_boarding_allowed", "alighting": "is_alighting_allowed", "interpolated": "is_interpolated"}
    return without(fields, *flags.values(), **{ours: fields[theirs] for ours, theirs in flags.items()})


def booking(fields: dict[str, Any]) -> dict[str, Any]:
    tickets = [
        ticket | {"svg_url": f"/v1/bookings/{fields['id']}/tickets/{ticket['id']}.svg"} for ticket in fields["tickets"]
    ]
    return without(fields, "rider_id", tickets=tickets)


def tracked_vehicle(fields: dict[str, Any]) -> dict[str, Any]:
    position = fields["position"]
    if position is not None:
        position = without(position, "sequence", received_at=fields["received_at"])
    return without(fields, "received_at", position=position)


def live_departure(fields: dict[str, Any]) -> dict[str, Any]:
    own = {name: fields[name] or None for name in ("feed_trip_id", "feed_route_id")}
    return without(fields, "is_off_route", off_route=fields["is_off_route"], **own)


RETOLD: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "Route": lambda fields: fields | {"feed_route_id": fields["feed_route_id"] or None},
    "LegEnd": lambda fields: without(fields, "sequence", expected_at=None),
    "Leg": lambda fields: without(
        fields, "operator_id", delay_seconds=None, cancellation_reason=fields["cancellation_reason"] or None
    ),
    "Call": call,
    "Stop": stop,
    "PatternCall": pattern_call,
    "FoundStop": lambda fields: without(fields, "stop", **fields["stop"]),
    "ListedRoute": lambda fields: without(fields, "route", **fields["route"]),
    "Departure": lambda fields: (
        fields | {name: fields[name] or None for name in ("feed_trip_id", "feed_start_time", "cancellation_reason")}
    ),
    "Item": lambda fields: fields | {"seat_id": fields["seat_id"] or None},
    "Payment": lambda fields: fields | {"action_url": fields["action_url"] or None},
    "Booking": booking,
    "TrackedVehicle": tracked_vehicle,
    "LiveCall": lambda fields: fields | {"feed_stop_id": fields["feed_stop_id"] or None},
    "LiveDeparture": live_departure,
}
"""Where the JSON of a message is not its fields one by one."""


def read_times(value: Any) -> Any:
    """Read every instant of a JSON document, and let none pass that is not written in UTC with a Z."""
    if isinstance(value, dict):
        return {
            name: instant(item) if name.endswith("_at") and item is not None else read_times(item)
            for name, item in value.items()
        }
    return [read_times(item) for item in value] if isinstance(value, list) else value


def instant(text: str) -> datetime:
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?Z", text), text
    return datetime.fromisoformat(text)


@pytest.mark.parametrize("kind", SHAPES, ids=lambda kind: kind.DESCRIPTOR.name)
@settings(max_examples=40)
@given(data=st.data())
def test_everything_that_a_message_says_stands_in_its_json(kind: type[Message], data: st.DataObject):
    message = data.draw(messages(kind.DESCRIPTOR))
    shape = SHAPES[kind].from_proto(message)
    assert read_times(json.loads(shape.model_dump_json())) == said(message)


@settings(max_examples=50)
@given(messages(fares_pb2.FarePolicy.DESCRIPTOR))
def test_a_fare_policy_comes_back_as_it_went(policy: fares_pb2.FarePolicy):
    sent = json.loads(fares.FarePolicy.from_proto(policy).model_dump_json())
    back = fares.FarePolicy.model_validate(sent).to_proto(policy.id)
    for name in ("operator_id", "version", "is_published", "feed_id"):
        policy.ClearField(name)
    assert back == policy


@settings(max_examples=50)
@given(messages(tracking_service_pb2.PositionBatch.DESCRIPTOR))
def test_positions_go_as_they_came(batch: tracking_service_pb2.PositionBatch):
    for position in batch.positions:
        position.sequence %= vehicles.SEQUENCE_MAX
    assert batch_of(said(batch)) == batch


def batch_of(fields: dict[str, Any]) -> tracking_service_pb2.PositionBatch:
    """Send a batch as a device would: what it does not know is left out."""
    positions = [
        {name: written(value) for name, value in position.items() if value is not None}
        for position in fields["positions"]
    ]
    body = {"session_id": fields["session_id"], "positions": positions}
    return vehicles.ReportPositions.model_validate(json.loads(json.dumps(body))).to_proto(fields["vehicle_id"])


def written(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value


@settings(max_examples=50)
@given(messages(timetable_service_pb2.CreateLayoutRequest.DESCRIPTOR.fields_by_name["seats"].message_type))
def test_a_seat_of_a_layout_goes_as_it_came(seat: vehicles_pb2.LayoutSeat):
    seat.id, seat.row, seat.column = seat.id[-8:].strip(), abs(seat.row) % 10_000, abs(seat.column) % 10_000
    layout = vehicles.CreateLayout.model_validate(
        {"operator_id": "op", "name": "Minibus", "seats": [said(seat)]}
    ).to_proto()
    assert list(layout.seats) == [seat]


@pytest.mark.parametrize("word", ["coach", "ferry", "shuttle", "bus", "rail", "tram", "metro"])
def test_every_mode_can_be_asked_for_and_is_told(word: str):
    asked = timetable.RouteInput(short_name="X7", mode=word).to_proto()
    assert timetable_pb2.Mode.Name(asked.mode) == f"MODE_{word.upper()}"
    assert timetable.Route.from_proto(timetable_pb2.Route(mode=asked.mode)).mode == word


def test_a_batch_of_quotes_is_told_in_the_order_asked():
    outcomes = [
        pricing_service_pb2.QuoteFareOutcome(failure_reason="NOT_SERVED"),
        pricing_service_pb2.QuoteFareOutcome(failure_reason="DEPARTURE_GONE"),
    ]
    found = fares.Quotes.from_proto(pricing_service_pb2.QuoteFaresResponse(outcomes=outcomes))
    assert [item.model_dump() for item in found.items] == [{"code": "not_served"}, {"code": "departure_gone"}]
