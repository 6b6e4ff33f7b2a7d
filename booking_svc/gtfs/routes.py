"""The routes of a feed and what kind of vehicle runs on them."""

from dataclasses import dataclass

from booking_svc.domain.departure import Mode
from booking_svc.gtfs.archive import Archive
from booking_svc.gtfs.problems import BadValue, Row
from booking_svc.gtfs.rows import visit
from booking_svc.gtfs.tables import ROUTES
from booking_svc.gtfs.values import known, whole, words

TYPES = {
    Mode.TRAM: (0, 5, *range(900, 1000)),
    Mode.METRO: (1, *range(400, 700)),
    Mode.RAIL: (2, 7, 12, *range(100, 200), *range(300, 400), *range(1400, 1500)),
    Mode.COACH: range(200, 300),
    Mode.FERRY: (4, *range(1000, 1100), *range(1200, 1300)),
    Mode.BUS: (3, 11, *range(700, 711), *range(712, 900)),
    Mode.SHUTTLE: (711, 1501),
}
"""The basic types and https://developers.google.com/transit/gtfs/reference/extended-route-types."""
MODES = {kind: mode for mode, kinds in TYPES.items() for kind in kinds}


@dataclass(frozen=True, slots=True)
class FeedRoute:
    """A line that the public knows by name, and its agency's zone of time."""

    feed_route_id: str
    short_name: str
    long_name: str
    mode: Mode
    timezone: str


def read_routes(archive: Archive, *, zones: dict[str, str]) -> dict[str, FeedRoute]:
    """Read the routes of agencies whose zones of time are known; a type that is not known is taken for a bus."""
    found: dict[str, FeedRoute] = {}

    def take(row: Row, cells: list[str]) -> None:
        route_id, kind, agency_id, short_name, long_name = cells
        if not short_name and not long_name:
            raise BadValue("route_short_name", "Give the route a short name or a long one.")
        if (mode := MODES.get(whole("route_type", kind))) is None:
            row.warn("route_type", f"{kind} is no type of route that we sell; it is taken for a bus.")
        found[route_id] = FeedRoute(
            route_id,
            words(row, "route_short_name", short_name),
            words(row, "route_long_name", long_name),
            mode or Mode.BUS,
            zones[known("agency_id", agency_id, zones)] if agency_id else next(iter(zones.values())),
        )

    visit(archive, ROUTES, take)
    return found
