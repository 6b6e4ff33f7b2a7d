"""Departures and patterns as booking tells them, and what stands for booking on a socket."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any

from headway.types.v1 import timetable_pb2

from tests.clocks import FixedClock
from tests.pricing_svc import timetable
from tests.tracking_svc.fleet import FERRY
from tracking_svc import translate
from tracking_svc.domain.departures import Departure, Pattern
from tracking_svc.domain.vehicles import Vehicle

START = FixedClock().now().replace(microsecond=0)
LATITUDE = 40.0
STOP_DEGREES = 0.009
STOP_METERS = 1000.0
STOP_SECONDS = 120


class BookingsTimetable(timetable.BookingsTimetable):
    """Knows patterns as well, and counts how often each is asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.patterns: dict[str, timetable_pb2.Pattern] = {}
        self.patterns_asked: list[str] = []
        self.is_down = False

    def know(self, *patterns: timetable_pb2.Pattern) -> None:
        self.patterns |= {pattern.id: pattern for pattern in patterns}

    async def GetPatterns(self, request: Any, context: Any) -> AsyncIterator[timetable_pb2.Pattern]:
        if self.is_down:
            raise RuntimeError("a test lets this fail")
        self.patterns_asked.extend(request.pattern_ids)
        for pattern_id in request.pattern_ids:
            if pattern_id in self.patterns:
                yield self.patterns[pattern_id]


def pattern_message(id_: str = "pat_1", *, stops: int = 4) -> timetable_pb2.Pattern:
    """Make a pattern that goes straight north, a stop a kilometre, two minutes from one to the next."""
    made = timetable_pb2.Pattern(id=id_)
    for place in range(stops):
        call = made.calls.add(distance_meters=place * STOP_METERS)
        call.stop.id, call.stop.name, call.stop.timezone = f"stp_{place}", f"Stop {place}", "Europe/Lisbon"
        call.stop.feed_stop_id = str(place)
        call.stop.latitude, call.stop.longitude = LATITUDE + STOP_DEGREES * place, 20.0
        call.arrival_seconds = call.departure_seconds = place * STOP_SECONDS
        made.shape.add(latitude=call.stop.latitude, longitude=20.0, distance_meters=place * STOP_METERS)
    return made


def departure_message(
    id_: str = "dep_1",
    *,
    start: datetime = START,
    pattern_id: str = "pat_1",
    vehicle: Vehicle | None = FERRY,
    state: str = "SCHEDULED",
    version: int = 1,
) -> timetable_pb2.Departure:
    """Make a departure without calls."""
    made = timetable_pb2.Departure(
        id=id_,
        operator_id="opr_sea",
        feed_trip_id="trip_1",
        route=timetable_pb2.Route(id="rte_1", feed_route_id="F1"),
        service_date=start.date().isoformat(),
        state=timetable_pb2.DepartureState.Value(f"DEPARTURE_STATE_{state}"),
        vehicle=timetable_pb2.AssignedVehicle(id=vehicle.id, label=vehicle.label) if vehicle else None,
        pattern_id=pattern_id,
        version=version,
    )
    made.starts_at.FromDatetime(start)
    return made


def pattern(id_: str = "pat_1", **others: Any) -> Pattern:
    return translate.pattern_in(pattern_message(id_, **others))


def departure(id_: str = "dep_1", **others: Any) -> Departure:
    return translate.departure_in(departure_message(id_, **others))


def days(count: float) -> timedelta:
    return timedelta(days=count)
