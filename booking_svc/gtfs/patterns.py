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
from booking_svc.gtfs.stop_times import NO_TIME, RawCall, fault_of, ordered_calls
from booking_svc.gtfs.stops import FeedStop
from booking_svc.gtfs.tables import SHAPES, STOP_TIMES, TRIPS
from booking_svc.gtfs.trips import TripDraft

COLUMNS = 5
CALLS_MIN = 2

Way = tuple[list[float], list[tuple[float, float, float]]]
"""How far along the ride each call lies, and the line on the map, empty without a shape."""


class PackedPattern(NamedTuple):
    """What makes a pattern, packed, for there may be as many patterns as trips.

    `calls` holds stop, arrival, departure and both rules of each call, `units` the distances that the feed gives.
    """

    shape_id: str
    calls: bytes
    units: bytes


def find_patterns(
    drafts: dict[str, TripDraft], problems: Problems, *, stops: Sequence[FeedStop]
) -> tuple[list[PackedPattern], list[FeedTrip]]:
    """Turn drafts, which are used up, into trips of two calls or more and the patterns that they run."""
    numbers: dict[PackedPattern, int] = {}
    trips = []
    for trip_id in list(drafts):
        draft = drafts.pop(trip_id)
        calls, units = ordered_calls(draft)
        if draft.route is None:
            continue
        if len(calls) < CALLS_MIN:
            problems.warning(TRIPS.file, draft.line, "trip_id", f"Is left out: {shown(trip_id)} has no two calls.")
            continue
        if fault := fault_of(calls):
            problems.error(STOP_TIMES.file, *fault)
            continue
        route, start = draft.route, calls[0].departure
        headsign = draft.headsign or route.long_name or stops[calls[-1].stop].name
        pattern = PackedPattern(draft.shape_id, packed(calls, start), array("d", units).tobytes())
        number = numbers.setdefault(pattern, len(numbers))
        names = trip_id, route.feed_route_id, draft.service_id, headsign, route.timezone
        trips.append(FeedTrip(*names, number, start, tuple(draft.frequencies)))
    return list(numbers), trips


def packed(calls: Sequence[RawCall], start: int) -> bytes:
    """Pack the calls of a trip, with times that count from its start."""
    found = array("i")
    for call in calls:
        times = [time if time == NO_TIME else time - start for time in (call.arrival, call.departure)]
        found.extend((call.stop, *times, call.is_boarding_allowed, call.is_alighting_allowed))
    return found.tobytes()


def pattern_records(
    patterns: Sequence[PackedPattern], *, stops: Sequence[FeedStop], shapes: dict[str, Shape], problems: Problems
) -> Iterator[dict[str, Any]]:
    """Yield the record of each pattern; the way of those that only differ in time is found once."""
    ways: dict[tuple[str, bytes, bytes], Way] = {}
    for number, pattern in enumerate(patterns):
        numbers = array("i", pattern.calls)
        columns = [numbers[column::COLUMNS] for column in range(COLUMNS)]
        key = pattern.shape_id, columns[0].tobytes(), pattern.units
        if key not in ways:
            places = [(stops[stop].latitude, stops[stop].longitude) for stop in columns[0]]
            ways[key], is_passed = find_way(shapes.get(pattern.shape_id), places, array("d", pattern.units))
            if not is_passed:
                reason = (
                    f"{shown(pattern.shape_id)} does not pass all stops of a trip in order: straight lines stand in."
                )
                problems.warning(SHAPES.file, 0, "shape_id", reason)
        meters, line = ways[key]
        yield {"number": number, "calls": call_records(columns, meters, stops), "shape": line}


def call_records(
    columns: Sequence[Sequence[int]], meters: Sequence[float], stops: Sequence[FeedStop]
) -> list[dict[str, Any]]:
    given = [None if times[0] == NO_TIME else times for times in zip(columns[1], columns[2], strict=True)]
    return [
        {
            "feed_stop_id": stops[stop].feed_stop_id,
            "arrival_seconds": arrival,
            "departure_seconds": departure,
            "is_boarding_allowed": bool(is_boarding_allowed),
            "is_alighting_allowed": bool(is_alighting_allowed),
            "distance_meters": along,
            "is_interpolated": own is None,
        }
        for (stop, _, _, is_boarding_allowed, is_alighting_allowed), (arrival, departure), along, own in zip(
            zip(*columns, strict=True), interpolate(given, meters), meters, given, strict=True
        )
    ]


def find_way(shape: Shape | None, places: Sequence[Place], units: Sequence[float]) -> tuple[Way, bool]:
    """Follow a shape if there is one, and tell whether it passes all stops: where the feed says, or else nearby.

    One that ends before the ride does is led on straight. Without one, or with one that leaves out stops in between,
    a ride goes straight from stop to stop, along great circles.
    """
    is_passed = True
    if shape:
        meters = locate(shape, units) if shape.along_units and units and list(units) == sorted(units) else []
        if not meters or not all(is_beside(shape, meters, places)):
            meters = project(shape, places)
        is_passed = all(is_beside(shape, meters, places))
        if not is_passed and (shape := extended(shape, meters, places)):
            meters = project(shape, places)
        if shape and all(is_beside(shape, meters, places)):
            return ([round(one - meters[0], 1) for one in meters], cut(shape, meters[0], meters[-1])), is_passed
    legs = (great_circle_meters(*pair) for pair in pairwise(places))
    return ([round(along, 1) for along in accumulate(legs, initial=0.0)], []), is_passed
