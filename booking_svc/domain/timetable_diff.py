"""What a feed says of a service date beside what is on sale on it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import NamedTuple

from booking_svc.domain.departure import Departure, DepartureState, Pattern, Route, day_start
from booking_svc.domain.feed import FeedTrip, ServiceCalendar
from booking_svc.domain.feed_import import FeedOptions
from booking_svc.domain.layout import DEFAULT_LAYOUT_ID, Layout
from chassis.ids import stable_id


class Laid(NamedTuple):
    """A departure that is laid out, as far as a feed can change it."""

    id: str
    feed_id: str
    feed_trip_id: str
    route_id: str
    pattern_id: str
    headsign: str
    starts_at: datetime
    state: str
    is_withdrawn: bool


@dataclass(frozen=True, slots=True)
class Trip:
    """A trip of a feed with its route and its way, as they are on sale."""

    trip: FeedTrip
    route: Route
    pattern: Pattern


@dataclass(frozen=True, slots=True)
class Timetable:
    """What departures are laid out from."""

    feed_id: str
    options: FeedOptions
    services: Mapping[str, ServiceCalendar]
    trips: tuple[Trip, ...]
    # The layout of each route that has one of its own, and the default one, by id.
    layouts: Mapping[str, Layout]

    def departures(self, sold_on: date) -> Iterable[Departure]:
        """Lay out the runs that are sold on a service date; their ids are the same in every import."""
        day = sold_on - self.options.shift
        running = {service_id for service_id, calendar in self.services.items() if calendar.runs_on(day)}
        starts: dict[str, datetime] = {}
        for one in self.trips:
            if one.trip.service_id not in running:
                continue
            if (zero := starts.get(one.trip.timezone)) is None:
                zero = starts[one.trip.timezone] = day_start(sold_on, one.trip.timezone)
            for start_seconds in one.trip.starts():
                yield self._departure(one, sold_on, zero + timedelta(seconds=start_seconds), start_seconds)

    def _departure(self, one: Trip, sold_on: date, starts_at: datetime, start_seconds: int) -> Departure:
        options, trip = self.options, one.trip
        # Runs of a frequency are told apart by when they start; a plain trip stays itself when it is re-timed.
        run = str(start_seconds) if trip.frequencies else ""
        layout = self.layouts[options.layout_ids.get(one.route.feed_route_id, DEFAULT_LAYOUT_ID)]
        return Departure(
            id=stable_id("dep", options.operator_id, trip.feed_trip_id, sold_on.isoformat(), run),
            operator_id=options.operator_id,
            feed_trip_id=trip.feed_trip_id,
            route=one.route,
            headsign=trip.headsign,
            service_date=sold_on,
            starts_at=starts_at,
            pattern=one.pattern,
            state=DepartureState.SCHEDULED,
            vehicle=None,
            layout_id=layout.id,
            capacity=len(layout.seats),
            version=1,
            feed_id=self.feed_id,
            feed_start_time=service_time(start_seconds) if trip.frequencies else "",
        )


@dataclass(frozen=True, slots=True)
class DayDiff:
    """How a service date of a feed differs from what is on sale."""

    added: tuple[Departure, ...]
    # As the feed has them now.
    changed: tuple[Departure, ...]
    withdrawn_ids: tuple[str, ...]
    # Of the added, those that an earlier, interrupted go of this import has laid out already.
    laid_before: int
    unchanged: int
    calls: int

    @property
    def departures(self) -> int:
        return len(self.added) + len(self.changed) + self.laid_before + self.unchanged


def service_time(seconds: int) -> str:
    """Write a time of a service day, which may go past midnight, as GTFS does."""
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"


def diff_day(timetable: Timetable, sold_on: date, laid: Iterable[Laid]) -> DayDiff:
    """Compare a service date of a feed with what is laid out."""
    known = {one.id: one for one in laid}
    # What was published by hand under a trip's identifier is that run.
    by_hand = {(one.feed_trip_id, one.starts_at) for one in known.values() if not one.feed_id}
    added: list[Departure] = []
    changed: list[Departure] = []
    laid_before = unchanged = calls = 0
    wanted_ids = set()
    for wanted in timetable.departures(sold_on):
        calls += len(wanted.pattern.calls)
        wanted_ids.add(wanted.id)
        there = known.get(wanted.id)
        if there is None and (wanted.feed_trip_id, wanted.starts_at) not in by_hand:
            added.append(wanted)
        elif there is not None and there.feed_id == timetable.feed_id and not there.is_withdrawn:
            laid_before += 1
        elif there is not None and differs(there, wanted) and (wanted.feed_trip_id, wanted.starts_at) not in by_hand:
            changed.append(wanted)
        else:
            unchanged += 1
    running = [one for one in known.values() if one.state != DepartureState.CANCELLED]
    gone = [one.id for one in running if one.feed_id and one.id not in wanted_ids]
    return DayDiff(tuple(added), tuple(changed), tuple(gone), laid_before, unchanged, calls)


def differs(there: Laid, wanted: Departure) -> bool:
    """Tell whether a feed changes a departure; one that the operator cancelled stays so."""
    if there.state == DepartureState.CANCELLED and not there.is_withdrawn:
        return False
    now = (there.route_id, there.pattern_id, there.headsign, there.starts_at, there.is_withdrawn)
    return now != (wanted.route.id, wanted.pattern.id, wanted.headsign, wanted.starts_at, False)
