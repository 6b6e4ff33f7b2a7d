"""The calls of all trips, which are most of a feed: kept as numbers, and judged trip by trip when all are read."""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from booking_svc.gtfs.archive import Archive
from booking_svc.gtfs.problems import BadValue, shown
from booking_svc.gtfs.rows import rows_of
from booking_svc.gtfs.stops import FeedStop
from booking_svc.gtfs.tables import STOP_TIMES
from booking_svc.gtfs.trips import TripDraft
from booking_svc.gtfs.values import UNITS_MAX, known, number, seconds, whole

CALLS_MAX = 300
NO_TIME = -(2**31)
NOT_ALLOWED, LAST_RULE = 1, 3


class RawCall(NamedTuple):
    """A row of stop_times.txt in numbers; the stop is numbered in the order of the feed."""

    sequence: int
    stop: int
    arrival: int
    departure: int
    is_boarding_allowed: int
    is_alighting_allowed: int
    line: int


def read_stop_times(archive: Archive, *, trips: dict[str, TripDraft], stops: Sequence[FeedStop]) -> None:
    """Give every trip its calls, in whatever order they stand in the file.

    One row that is wrong, or of a call on demand, and the trip is left out.
    """
    numbers = {stop.feed_stop_id: number for number, stop in enumerate(stops) if not stop.is_station}
    for line, (trip_id, *cells, unit, window) in rows_of(archive, STOP_TIMES):
        try:
            draft = trips[known("trip_id", trip_id, trips)]
            if window:
                field, reason = "start_pickup_drop_off_window", "Is a call on demand, so the trip is left out."
                archive.problems.warning(STOP_TIMES.file, line, field, reason)
                draft.route = None
                continue
            draft.calls.extend(call_of(cells, numbers, line))
            if unit:
                draft.units.append(number("shape_dist_traveled", unit, least=0, most=UNITS_MAX))
        except BadValue as bad:
            archive.problems.error(STOP_TIMES.file, line, bad.field, bad.detail)
            trips.get(trip_id, TripDraft()).route = None


def call_of(cells: Sequence[str], numbers: dict[str, int], line: int) -> tuple[int, ...]:
    """Read a row; of two times one may stand for both."""
    arrival, departure, stop_id, sequence, pickup, drop_off = cells
    arrives = departs = NO_TIME
    if arrival or departure:
        arrives = seconds("arrival_time", arrival or departure)
        departs = seconds("departure_time", departure or arrival)
    if departs < arrives:
        raise BadValue("departure_time", f"{shown(departure)} is before the arrival: exchange or mend them.")
    stop = numbers[known("stop_id", stop_id, numbers)]
    rules = is_allowed("pickup_type", pickup), is_allowed("drop_off_type", drop_off)
    return whole("stop_sequence", sequence), stop, arrives, departs, *rules, line


def is_allowed(field: str, text: str) -> bool:
    """Read a rule of getting on or off; when riders have to ask first it is allowed."""
    return not text or whole(field, text, most=LAST_RULE) != NOT_ALLOWED


def ordered_calls(draft: TripDraft) -> tuple[list[RawCall], list[float]]:
    """Return the calls of a trip in their order, and their distances in the feed's own unit if all have one."""
    calls = [RawCall(*one) for one in zip(*[iter(draft.calls)] * len(RawCall._fields), strict=True)]
    order = sorted(range(len(calls)), key=lambda place: calls[place].sequence)
    has_units = len(draft.units) == len(calls)
    return [calls[place] for place in order], [draft.units[place] for place in order] if has_units else []


def fault_of(calls: Sequence[RawCall]) -> tuple[int, str, str] | None:
    """Return the line, the field and the reason of the first thing that is wrong with the calls of a trip, if any."""
    if len(calls) > CALLS_MAX:
        return calls[CALLS_MAX].line, "stop_sequence", f"Has more than {CALLS_MAX} calls: divide the trip."
    for before, call in pairwise(calls):
        if before.sequence == call.sequence:
            return call.line, "stop_sequence", f"{call.sequence} stands twice in this trip: number its calls in order."
    for end in (calls[0], calls[-1]):
        if end.arrival == NO_TIME:
            return end.line, "arrival_time", "Is blank at an end of the trip: give its first and last call a time."
    timed = [call for call in calls if call.arrival != NO_TIME]
    for before, call in pairwise(timed):
        if call.arrival < before.departure:
            return call.line, "arrival_time", "Is before the call before it: times of a trip never go back."
    return None
