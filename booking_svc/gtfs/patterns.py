"""Patterns: what trips with the same calls, the same times between them and the same shape have in common."""

from array import array
from collections.abc import Iterator, Sequence
from itertools import accumulate, pairwise
from typing import Any, NamedTuple

from booking_svc.domain.feed import FeedTrip
from booking_svc.domain.geography import Place, great_circle_meters
from booking_svc.domain.interpolation import interpolate
from booking_svc.domain.shape import Shape, cut, extended, is_beside, locate, project
from booking_svc.gtfs.problems import Problems, shown
from booking_svc.gtfs.stop_times import ALIGHTING, BOARDING, NO_TIME, RawCall, fault_of, ordered_calls
from booking_svc.gtfs.stops import FeedStop
from booking_svc.gtfs.tables import SHAPES, STOP_TIMES
from booking_svc.gtfs.trips import TripDraft

CALL_NUMBERS = 4

Way = tuple[list[float], list[tuple[float, float, float]]]
"""How far along the ride each call lies, and the line on the map, empty without a shape."""


class PatternKey(NamedTuple):
    """What makes a pattern, packed, for there may be as many patterns as trips.

    `calls` holds stop, arrival, departure and flags of each call, `units` the distances that the feed gives, if any.
    """

    shape_id: str
    calls: bytes
    units: bytes


def find_patterns(
    drafts: dict[str, TripDraft], problems: Problems, *, stops: Sequence[FeedStop]
) -> tuple[list[PatternKey], list[FeedTrip]]:
    """Turn drafts, which are used up, into trips of two calls or more and the patterns that they run."""
    numbers: dict[PatternKey, int] = {}
    trips = []
    for trip_id in list(drafts):
        draft = drafts.pop(trip_id)
        calls, units = ordered_calls(draft)
        if draft.is_broken or draft.route is None or len(calls) < 2:
            continue
        if fault := fault_of(calls):
            problems.error(STOP_TIMES.file, *fault)
            continue
        start = calls[0].departure
        key = PatternKey(draft.shape_id, packed(calls, start), array("d", units).tobytes())
        trips.append(
            FeedTrip(
                trip_id,
                draft.route.feed_route_id,
                draft.service_id,
                draft.headsign or draft.route.long_name or stops[calls[-1].stop].name,
                draft.route.timezone,
                numbers.setdefault(key, len(numbers)),
                start,
                tuple(draft.frequencies),
            )
        )
    return list(numbers), trips


def packed(calls: Sequence[RawCall], start: int) -> bytes:
    """Pack the calls of a trip, with times that count from its start."""
    found = array("i")
    for call in calls:
        times = (time if time == NO_TIME else time - start for time in (call.arrival, call.departure))
        found.extend((call.stop, *times, call.flags))
    return found.tobytes()


class PatternWriter:
    """Makes the records of patterns; what several share is worked out once."""

    def __init__(self, shapes: dict[str, Shape], stops: Sequence[FeedStop], problems: Problems) -> None:
        self._shapes = shapes
        self._stops = stops
        self._problems = problems
        self._ways: dict[tuple[str, tuple[int, ...], bytes], Way] = {}

    def records(self, patterns: Sequence[PatternKey]) -> Iterator[dict[str, Any]]:
        """Yield the record of each pattern, by number."""
        for number, pattern in enumerate(patterns):
            numbers = array("i", pattern.calls)
            stops, arrivals, departures, flags = (numbers[column::CALL_NUMBERS] for column in range(CALL_NUMBERS))
            meters, line = self._way(pattern.shape_id, tuple(stops), pattern.units)
            given = [None if pair[0] == NO_TIME else pair for pair in zip(arrivals, departures, strict=True)]
            calls = [
                {
                    "feed_stop_id": self._stops[stop].feed_stop_id,
                    "arrival_seconds": times[0],
                    "departure_seconds": times[1],
                    "is_boarding_allowed": bool(flag & BOARDING),
                    "is_alighting_allowed": bool(flag & ALIGHTING),
                    "distance_meters": along,
                    "is_interpolated": own is None,
                }
                for stop, times, flag, along, own in zip(
                    stops, interpolate(given, meters), flags, meters, given, strict=True
                )
            ]
            yield {"number": number, "calls": calls, "shape": line}

    def _way(self, shape_id: str, numbers: tuple[int, ...], units: bytes) -> Way:
        key = (shape_id, numbers, units)
        if key not in self._ways:
            places = [(self._stops[number].latitude, self._stops[number].longitude) for number in numbers]
            shape = self._shapes.get(shape_id)
            way, is_complete = way_along(shape, places, array("d", units)) if shape else (straight_way(places), True)
            if not is_complete:
                reason = f"{shown(shape_id)} does not pass all stops of a trip in their order: straight lines stand in."
                self._problems.warning(SHAPES.file, 0, "shape_id", reason)
            self._ways[key] = way
        return self._ways[key]


def way_along(shape: Shape, places: Sequence[Place], units: Sequence[float]) -> tuple[Way, bool]:
    """Follow a shape, and tell whether it passes all stops: where the feed says, if they are there, or else nearby.

    One that ends before the ride does is led on straight; one that leaves out stops in between is not used.
    """
    meters = locate(shape, units) if shape.along_units and units and list(units) == sorted(units) else []
    if not meters or not all(is_beside(shape, meters, places)):
        meters = project(shape, places)
    if is_complete := all(is_beside(shape, meters, places)):
        return cut_way(shape, meters), is_complete
    longer = extended(shape, meters, places)
    meters = project(longer, places) if longer else []
    if longer and all(is_beside(longer, meters, places)):
        return cut_way(longer, meters), is_complete
    return straight_way(places), is_complete


def cut_way(shape: Shape, meters: Sequence[float]) -> Way:
    return [round(one - meters[0], 1) for one in meters], cut(shape, meters[0], meters[-1])


def straight_way(places: Sequence[Place]) -> Way:
    """Go from stop to stop along great circles."""
    legs = (great_circle_meters(*pair) for pair in pairwise(places))
    return [round(along, 1) for along in accumulate(legs, initial=0.0)], []
