"""A whole feed, file after file, in the order in which they refer to each other."""

from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from booking_svc.domain.feed import FeedTrip, ServiceCalendar
from booking_svc.domain.shape import Shape
from booking_svc.gtfs.archive import Archive
from booking_svc.gtfs.calendars import read_calendars
from booking_svc.gtfs.fares import Fares, read_fares
from booking_svc.gtfs.patterns import PatternKey, find_patterns
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
    """What of a feed is right."""

    stops: list[FeedStop]
    routes: list[FeedRoute]
    services: list[ServiceCalendar]
    shapes: dict[str, Shape]
    patterns: list[PatternKey]
    trips: list[FeedTrip]
    fares: Fares | None


def read_feed(path: Path, problems: Problems) -> FeedContents:
    """Read a zip; what is wrong with it is told, and UnreadableFeed raised where nothing can be used."""
    with closing(Archive(path, problems)) as archive:
        check_tables(archive)
        return read_contents(archive)


def read_contents(archive: Archive) -> FeedContents:
    """Read what depends on nothing first, and what is most of a feed last."""
    zones = read_agencies(archive)
    stops = list(read_stops(archive, timezone=next(iter(zones.values()))).values())
    routes = read_routes(archive, zones=zones)
    services = read_calendars(archive)
    shapes = read_shapes(archive)
    fares = read_fares(archive, routes=routes)
    drafts = read_trips(archive, routes=routes, services=services, shapes=shapes)
    read_stop_times(archive, trips=drafts, stops=stops)
    patterns, trips = find_patterns(drafts, archive.problems, stops=stops)
    if not trips:
        archive.problems.stop(TRIPS.file, 0, "", "Has no usable trip of two calls or more: there is nothing to sell.")
    used = [services[service_id] for service_id in sorted({trip.service_id for trip in trips})]
    return FeedContents(stops, list(routes.values()), used, shapes, patterns, trips, fares)
