"""Limits on what may come in, checked again behind the gateway."""

import math
import re
from collections.abc import Iterable
from datetime import UTC, date, datetime
from functools import cache
from zoneinfo import available_timezones

from google.protobuf.message import Message
from headway.booking.v1 import booking_service_pb2, feeds_pb2, operations_service_pb2, timetable_service_pb2

from chassis.errors import FieldError, InvalidInput, NotFound

ID = re.compile(r"[A-Za-z0-9_.:-]{1,64}")
EMAIL = re.compile(r"[^@\s]{1,64}@[^@\s]{1,190}")
FIRST_DAY, LAST_DAY = date(1970, 1, 1), date(2199, 12, 31)
PASSENGERS_MAX = 50
TEXT_MAX = 200
TOKEN_MAX = 8192
ITEMS_MAX = 300
DEPARTURES_MAX = 100
CURSOR_MAX = 200
PATTERNS_MAX = 200
RADIUS_METERS_MAX = 50_000
DAYS_MAX = 366
Check = tuple[str, bool, str]
"""A pointer, whether it is right, and what to do if not."""


def expect(checks: Iterable[Check]) -> None:
    """Raise one InvalidInput with every check that fails."""
    errors = [FieldError(pointer, advice) for pointer, is_right, advice in checks if not is_right]
    if errors:
        raise InvalidInput(errors=errors)


def text(pointer: str, value: str, *, least: int = 1, most: int = TEXT_MAX) -> Check:
    """Expect text of some length without control characters."""
    is_clean = value == "" or value.isprintable()
    advice = f"Give {least} to {most} printable characters."
    return pointer, is_clean and least <= len(value.strip()) and len(value) <= most, advice


def identifier(pointer: str, value: str, *, is_optional: bool = False) -> Check:
    is_right = bool(ID.fullmatch(value)) or (is_optional and not value)
    return pointer, is_right, "Give an identifier of up to 64 letters, digits, '_', '-', '.' or ':'."


def addressed(*identifiers: str) -> None:
    """Answer for an identifier that nothing can have as for one that nothing has."""
    if not all(ID.fullmatch(one) for one in identifiers):
        raise NotFound


def day(pointer: str, value: str) -> Check:
    """Expect a date that leaves room for a service day in any zone."""
    advice = f"Give a date such as 2026-11-30, from {FIRST_DAY} to {LAST_DAY}."
    try:
        return pointer, FIRST_DAY <= date.fromisoformat(value) <= LAST_DAY, advice
    except ValueError:
        return pointer, False, advice


def instant(pointer: str, message: Message, field: str) -> Check:
    """Expect an optional time in the same bounds."""
    advice = f"Give a time from {FIRST_DAY} to {LAST_DAY}."
    if not message.HasField(field):
        return pointer, True, advice
    try:
        found: datetime = getattr(message, field).ToDatetime(tzinfo=UTC)
    except (ValueError, OverflowError):
        return pointer, False, advice
    return pointer, FIRST_DAY <= found.date() <= LAST_DAY, advice


def zone(pointer: str, value: str) -> Check:
    return pointer, value in known_zones(), "Give an IANA zone, for example Europe/Lisbon."


@cache
def known_zones() -> set[str]:
    """Read the names of all zones, once."""
    return available_timezones()


def email(pointer: str, value: str) -> Check:
    is_right = bool(EMAIL.fullmatch(value.strip())) and value.strip().isprintable()
    return pointer, is_right, "Give an e-mail address."


def number(pointer: str, value: float, *, least: float, most: float) -> Check:
    return pointer, math.isfinite(value) and least <= value <= most, f"Give a number from {least} to {most}."


def check_departure(request: timetable_service_pb2.PublishDepartureRequest) -> None:
    expect(departure_checks("", request))


def check_departures(request: timetable_service_pb2.PublishDeparturesRequest) -> None:
    parts = enumerate(request.departures[:DEPARTURES_MAX])
    expect(check for place, one in parts for check in departure_checks(f"/departures/{place}", one))


def departure_checks(at: str, request: timetable_service_pb2.PublishDepartureRequest) -> list[Check]:
    """Check what publishes a departure; its times are the use case's to judge."""
    checks = [
        identifier(f"{at}/operator_id", request.operator_id),
        text(f"{at}/feed_trip_id", request.feed_trip_id, least=0),
        text(f"{at}/route/short_name", request.route.short_name),
        text(f"{at}/route/long_name", request.route.long_name, least=0),
        text(f"{at}/route/feed_route_id", request.route.feed_route_id, least=0),
        (f"{at}/route/mode", request.route.mode in range(1, 8), "Choose a mode."),
        text(f"{at}/headsign", request.headsign, least=0),
        day(f"{at}/service_date", request.service_date),
        identifier(f"{at}/layout_id", request.layout_id, is_optional=True),
        (f"{at}/calls", len(request.calls) <= ITEMS_MAX, f"Give at most {ITEMS_MAX} calls."),
    ]
    for place, call in enumerate(request.calls):
        checks.extend(call_checks(f"{at}/calls/{place}", call))
    return checks


def call_checks(pointer: str, call: timetable_service_pb2.CallInput) -> list[Check]:
    times = [instant(f"{pointer}/{field}", call, field) for field in ("scheduled_arrival_at", "scheduled_departure_at")]
    if call.WhichOneof("at") != "stop":
        return [*times, identifier(f"{pointer}/stop_id", call.stop_id)]
    stop = call.stop
    return [
        *times,
        text(f"{pointer}/stop/feed_stop_id", stop.feed_stop_id, least=0, most=64),
        text(f"{pointer}/stop/name", stop.name),
        zone(f"{pointer}/stop/timezone", stop.timezone),
        number(f"{pointer}/stop/latitude", stop.latitude, least=-90, most=90),
        number(f"{pointer}/stop/longitude", stop.longitude, least=-180, most=180),
        text(f"{pointer}/stop/zone_id", stop.zone_id, least=0, most=64),
    ]


def check_filter(request: timetable_service_pb2.ListDeparturesRequest) -> None:
    expect([
        *(identifier(f"/{field}", getattr(request, field), is_optional=True)
          for field in ("operator_id", "route_id", "stop_id", "service_date")),
        text("/cursor", request.cursor, least=0, most=CURSOR_MAX),
        ("/limit", request.limit >= 0, "Give 0 for all, or how many to read at most."),
    ])  # fmt: skip


def listing(request: timetable_service_pb2.ListRoutesRequest | timetable_service_pb2.ListStopsRequest) -> list[Check]:
    return [
        identifier("/operator_id", request.operator_id, is_optional=True),
        identifier("/cursor", request.cursor, is_optional=True),
    ]


def check_stops(request: timetable_service_pb2.ListStopsRequest) -> None:
    near = request.near
    circle = (
        number("/near/latitude", near.latitude, least=-90, most=90),
        number("/near/longitude", near.longitude, least=-180, most=180),
        number("/near/radius_meters", near.radius_meters, least=1, most=RADIUS_METERS_MAX),
    )
    around = circle if request.HasField("near") else ()
    expect([*listing(request), text("/query", request.query, least=0, most=100), *around])


def check_patterns(request: timetable_service_pb2.GetPatternsRequest) -> None:
    ids = request.pattern_ids
    checks = [("/pattern_ids", 1 <= len(ids) <= PATTERNS_MAX, f"Name 1 to {PATTERNS_MAX} patterns.")]
    expect([*checks, *(identifier("/pattern_ids", one) for one in ids[:PATTERNS_MAX])])


def check_loads(request: operations_service_pb2.GetLoadsRequest) -> None:
    ids = request.departure_ids
    checks = [("/departure_ids", 1 <= len(ids) <= DEPARTURES_MAX, f"Name 1 to {DEPARTURES_MAX} departures.")]
    expect([*checks, *(identifier("/departure_ids", one) for one in ids[:DEPARTURES_MAX])])


def check_search(request: timetable_service_pb2.SearchItinerariesRequest) -> None:
    expect([
        identifier("/origin_stop_id", request.origin_stop_id),
        identifier("/destination_stop_id", request.destination_stop_id),
        day("/date", request.date),
        number("/passengers", request.passengers, least=0, most=PASSENGERS_MAX),
        text("/cursor", request.cursor, least=0, most=CURSOR_MAX),
    ])  # fmt: skip


def check_feed(options: feeds_pb2.FeedOptions) -> None:
    first_day = getattr(options, "from")
    expect([
        identifier("/operator_id", options.operator_id),
        *([day("/from", first_day)] if first_day else []),
        *([day("/lay_on", options.lay_on)] if options.lay_on else []),
        number("/days", options.days, least=1, most=DAYS_MAX),
        ("/layouts", len(options.layout_ids) <= ITEMS_MAX, f"Give at most {ITEMS_MAX} layouts."),
        *(identifier("/layouts", layout_id) for layout_id in options.layout_ids.values()),
    ])  # fmt: skip


def check_cancellation(request: timetable_service_pb2.CancelDeparturesRequest) -> None:
    expect([
        identifier("/operator_id", request.operator_id),
        identifier("/route_id", request.route_id, is_optional=True),
        ("/departure_ids", len(request.departure_ids) <= DEPARTURES_MAX, f"Name at most {DEPARTURES_MAX} departures."),
        *(identifier("/departure_ids", departure_id) for departure_id in request.departure_ids[:DEPARTURES_MAX]),
        instant("/starts_from", request, "starts_from"),
        instant("/starts_before", request, "starts_before"),
        ("/starts_before", not is_backwards(request), "Let the window end after it begins."),
        text("/reason", request.reason, least=0, most=500),
    ])  # fmt: skip


def is_backwards(request: timetable_service_pb2.CancelDeparturesRequest) -> bool:
    first, last = request.starts_from, request.starts_before
    both = request.HasField("starts_from") and request.HasField("starts_before")
    return both and (last.seconds, last.nanos) <= (first.seconds, first.nanos)


def check_part(
    request: booking_service_pb2.GetAvailabilityRequest | booking_service_pb2.GetSeatMapRequest,
) -> None:
    addressed(request.departure_id)
    expect(
        identifier(f"/{field}", getattr(request, field), is_optional=True)
        for field in ("origin_stop_id", "destination_stop_id")
    )


def check_layout(request: timetable_service_pb2.CreateLayoutRequest) -> None:
    checks = [identifier("/operator_id", request.operator_id), text("/name", request.name)]
    for place, seat in enumerate(request.seats[:2001]):
        checks.append(text(f"/seats/{place}/id", seat.id, most=8))
        checks.extend(text(f"/seats/{place}/features", feature, most=32) for feature in seat.features)
        checks.append(number(f"/seats/{place}/row", seat.row, least=0, most=10_000))
        checks.append(number(f"/seats/{place}/column", seat.column, least=0, most=10_000))
    expect(checks)


def check_cancel(request: booking_service_pb2.CancelBookingRequest) -> None:
    addressed(request.booking_id)
    is_token = 0 < len(request.cancellation_quote_token) <= TOKEN_MAX
    expect([("/cancellation_quote_token", is_token, "Send the token of a cancellation quote.")])


def check_hold(request: booking_service_pb2.HoldBookingRequest) -> None:
    passengers = request.passengers
    checks = [
        ("/quote_token", 0 < len(request.quote_token) <= TOKEN_MAX, "Send the token of a quote."),
        ("/passengers", 1 <= len(passengers) <= PASSENGERS_MAX, f"Give 1 to {PASSENGERS_MAX} passengers."),
        email("/contact/email", request.contact.email),
        text("/contact/phone", request.contact.phone, least=0, most=32),
    ]
    for place, passenger in enumerate(passengers[:PASSENGERS_MAX]):
        at = f"/passengers/{place}"
        checks.append(text(f"{at}/name", passenger.name))
        checks.append(text(f"{at}/category", passenger.category, most=32))
        checks.append((f"{at}/seat_ids", len(passenger.seat_ids) <= 6, "Give at most one seat a leg."))
        checks.extend(text(f"{at}/seat_ids", seat, least=0, most=8) for seat in passenger.seat_ids)
        checks.extend(text(f"{at}/needs", need, most=32) for need in passenger.needs)
    expect(checks)
