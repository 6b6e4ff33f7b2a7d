"""Departures as tracking follows them: who runs which pattern, and when."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cached_property

from tracking_svc.domain.line import Line, ShapePoint, draw

READ_MODEL = "departures"
"""What the read model of departures is called where it is written down that it was built."""
KEPT = timedelta(days=2)
"""How long a departure is of interest after its end."""


class DepartureState(StrEnum):
    SCHEDULED = "scheduled"
    BOARDING = "boarding"
    DEPARTED = "departed"
    COMPLETED = "completed"
    CANCELLED = "cancelled"
    NOT_COMING = "not_coming"


NOT_RUNNING = (DepartureState.CANCELLED, DepartureState.NOT_COMING)


@dataclass(frozen=True, slots=True)
class PatternCall:
    """One call of a pattern: seconds count from the start of the departure, metres from the first call."""

    stop_id: str
    feed_stop_id: str
    stop_name: str
    timezone: str
    latitude: float
    longitude: float
    arrival_seconds: int
    departure_seconds: int
    distance_meters: float


@dataclass(frozen=True)
class Pattern:
    """The way that many departures share; it never changes."""

    id: str
    calls: tuple[PatternCall, ...]
    shape: tuple[ShapePoint, ...]

    @property
    def lasts_seconds(self) -> int:
        """Return the time from the start to the arrival at the last call."""
        return self.calls[-1].arrival_seconds

    @cached_property
    def line(self) -> Line:
        """Draw the way: its shape, or straight from stop to stop where it has none."""
        is_drawn = len(self.shape) > 1
        stops = [(call.latitude, call.longitude, call.distance_meters) for call in self.calls]
        return draw(
            self.shape if is_drawn else stops,
            is_drawn=is_drawn,
            calls=[call.distance_meters for call in self.calls],
            arrivals=[call.arrival_seconds for call in self.calls],
            departures=[call.departure_seconds for call in self.calls],
        )


@dataclass(frozen=True, slots=True)
class Departure:
    """One run of a pattern on one service date; without a vehicle its id and label are empty."""

    id: str
    operator_id: str
    pattern_id: str
    starts_at: datetime
    state: DepartureState
    vehicle_id: str
    vehicle_label: str
    feed_trip_id: str
    feed_route_id: str
    service_date: str
    version: int
    # When this run of a frequency starts, as GTFS writes it; empty for other departures.
    feed_start_time: str = ""
    cancellation_reason: str = ""
    # Its seats; 0 where booking has not told them yet.
    capacity: int = 0


@dataclass(frozen=True, slots=True)
class Availability:
    """Seats free on each segment of a departure, as of a version of its sales."""

    departure_id: str
    capacity: int
    seats_free: tuple[int, ...]
    version: int
