"""A whole feed, file after file, each after those that it names."""

from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from booking_svc.domain.feed import FeedTrip, ServiceCalendar
from booking_svc.domain.shape import Shape
from booking_svc.gtfs.archive import Archive
from booking_svc.gtfs.calendars import read_calendars
from booking_svc.gtfs.fares import read_fares
from booking_svc.gtfs.patterns import PackedPattern, find_patterns
from booking_svc.gtfs.problems import Problems
from booking_svc.gtfs.routes import FeedRoute, read_routes
from booking_svc.gtfs.rows import check_tables
from booking_svc.gtfs.shapes import read_shapes
from booking_svc.gtfs.stop_times import read_stop_times
from booking_svc.gtfs.stops import FeedStop, read_agencies, read_stops
from booking_svc.gtfs.tables import TRIPS
from booking_svc.gtfs.trips import read_trips


@dataclass(frozen=True, slots=True)
class FeedContents:
    """What of a feed is right; services are those that trips use."""

    stops: list[FeedStop]
    routes: list[FeedRoute]
    shapes: dict[str, Shape]
    patterns: list[PackedPattern]
    services: list[ServiceCalendar]
    trips: list[FeedTrip]
    fares: dict[str, Any] | None


def read_feed(path: Path, problems: Problems) -> FeedContents:
    """Read a zip; what is wrong with it is told, and UnreadableFeed raised where nothing can be used."""
    with closing(Archive(path, problems)) as archive:
        check_tables(archive)
        zones = read_agencies(archive)
        stops = read_stops(archive, timezone=next(iter(zones.values())))
        routes = read_routes(archive, zones=zones)
        services = read_calendars(archive)
        shapes = read_shapes(archive)
        fares = read_fares(archive, routes=routes)
        drafts = read_trips(archive, routes=routes, services=services, shapes=shapes)
        read_stop_times(archive, trips=drafts, stops=stops)
    patterns, trips = find_patterns(drafts, problems, stops=stops)
    if not trips:
        problems.stop(TRIPS.file, 0, "Has no usable trip of two calls or more: there is nothing to sell.")
    used = [services[service_id] for service_id in sorted({trip.service_id for trip in trips})]
    return FeedContents(stops, list(routes.values()), shapes, patterns, used, trips, fares)
