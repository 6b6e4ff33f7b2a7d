"""Put one departure on sale."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from booking_svc.domain.departure import (
    Departure,
    DepartureState,
    PatternCall,
    Route,
    Stop,
    day_start,
    distance_meters,
)
from booking_svc.domain.errors import UnknownStop
from booking_svc.domain.events import DeparturePublished
from booking_svc.store.patterns import identified
from booking_svc.store.work import Work
from chassis.access import Caller
from chassis.errors import FieldError, ForbiddenOperator, InvalidInput

CALLS_MAX = 300
DAYS_AFTER_START_MAX = 7


@dataclass(frozen=True, slots=True)
class CallWish:
    """A call to publish: a stop that is known by its id, or one described here."""

    stop_id: str
    stop: Stop | None
    arrival_at: datetime | None
    departure_at: datetime | None
    is_boarding_allowed: bool
    is_alighting_allowed: bool


def publish_departure(
    work: Work,
    *,
    caller: Caller,
    operator_id: str,
    feed_trip_id: str,
    route: Route,
    headsign: str,
    service_date: date,
    calls: Sequence[CallWish],
    layout_id: str,
) -> Departure:
    """Create a departure with its route, stops and pattern; its seats are bookable at once."""
    if not caller.works_for(operator_id):
        raise ForbiddenOperator(operator_id=operator_id)
    if not 2 <= len(calls) <= CALLS_MAX:
        raise InvalidInput(errors=[FieldError("/calls", f"Give 2 to {CALLS_MAX} calls.")])
    layout = work.layouts.get_for(operator_id, layout_id)
    stops = resolve_stops(work, calls, operator_id=operator_id)
    start = day_start(service_date, stops[0].timezone)
    check_times(calls, day_starts_at=start)
    starts_at = next(time for time in (calls[0].departure_at, calls[0].arrival_at) if time is not None)
    pattern = identified(pattern_calls(calls, stops, starts_at=starts_at))
    work.patterns.save([pattern])
    work.routes.save([route], operator_id=operator_id)
    departure = Departure(
        id=work.new_id("dep"),
        operator_id=operator_id,
        feed_trip_id=feed_trip_id,
        route=route,
        headsign=headsign or stops[-1].name,
        service_date=service_date,
        starts_at=starts_at,
        pattern=pattern,
        state=DepartureState.SCHEDULED,
        vehicle=None,
        layout_id=layout.id,
        capacity=len(layout.seats),
        version=1,
    )
    work.departures.add(departure)
    work.outbox.add(DeparturePublished(departure))
    return departure.as_of(work.now)


def resolve_stops(work: Work, calls: Sequence[CallWish], *, operator_id: str) -> list[Stop]:
    """Read the stops that are named and save those that are described."""
    known = work.stops.get_many([call.stop_id for call in calls if call.stop is None])
    described = {call.stop.id: call.stop for call in calls if call.stop is not None}
    known |= described
    for call in calls:
        if call.stop is None and call.stop_id not in known:
            raise UnknownStop(stop_id=call.stop_id)
    work.stops.save(described.values(), operator_id=operator_id)
    return [known[call.stop.id if call.stop else call.stop_id] for call in calls]


def pattern_calls(calls: Sequence[CallWish], stops: Sequence[Stop], *, starts_at: datetime) -> tuple[PatternCall, ...]:
    """Count times from the start of the departure and distances from the first call."""
    found: list[PatternCall] = []
    along = 0.0
    for place, (call, stop) in enumerate(zip(calls, stops, strict=True)):
        if place:
            along += distance_meters(stops[place - 1], stop)
        found.append(
            PatternCall(
                stop,
                seconds_after(starts_at, call.arrival_at),
                seconds_after(starts_at, call.departure_at),
                call.is_boarding_allowed and place < len(calls) - 1,
                call.is_alighting_allowed and place > 0,
                round(along, 1),
            )
        )
    return tuple(found)


def check_times(calls: Sequence[CallWish], *, day_starts_at: datetime) -> None:
    """Refuse ends without a time, and times that run backwards or leave the service day."""
    ends = (0, len(calls) - 1)
    errors = [
        FieldError(f"/calls/{place}", "Give the first and the last call a time.")
        for place in ends
        if calls[place].arrival_at is None and calls[place].departure_at is None
    ]
    timed = [(place, time) for place, call in enumerate(calls) for time in (call.arrival_at, call.departure_at) if time]
    last, latest = day_starts_at, day_starts_at + timedelta(days=DAYS_AFTER_START_MAX)
    for place, time in timed:
        if not last <= time < latest:
            errors.append(FieldError(f"/calls/{place}", "Times must not run backwards nor leave the service day."))
        last = max(last, time)
    if errors:
        raise InvalidInput(errors=list(dict.fromkeys(errors)))


def seconds_after(start: datetime, time: datetime | None) -> int | None:
    """Count whole seconds from the start of a departure."""
    return None if time is None else int((time - start).total_seconds())
