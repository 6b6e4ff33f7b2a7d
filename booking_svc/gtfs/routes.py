"""The routes of a feed and what kind of vehicle runs on them."""

from dataclasses import dataclass

from booking_svc.domain.departure import Mode
from booking_svc.gtfs.archive import Archive
from booking_svc.gtfs.problems import BadValue, shown
from booking_svc.gtfs.rows import Row, visit
from booking_svc.gtfs.tables import ROUTES
from booking_svc.gtfs.values import identifier, whole, words

BASIC_TYPES = {
    0: Mode.TRAM,
    1: Mode.METRO,
    2: Mode.RAIL,
    3: Mode.BUS,
    4: Mode.FERRY,
    5: Mode.TRAM,  # cable tram
    7: Mode.RAIL,  # funicular
    11: Mode.BUS,  # trolleybus
    12: Mode.RAIL,  # monorail
    711: Mode.SHUTTLE,
    1501: Mode.SHUTTLE,  # shared taxi
}
EXTENDED_TYPES = {
    1: Mode.RAIL,
    2: Mode.COACH,
    3: Mode.RAIL,  # suburban
    4: Mode.METRO,
    5: Mode.METRO,
    6: Mode.METRO,  # underground
    7: Mode.BUS,
    8: Mode.BUS,  # trolleybus
    9: Mode.TRAM,
    10: Mode.FERRY,
    12: Mode.FERRY,
    14: Mode.RAIL,  # funicular
}
"""By hundreds. https://developers.google.com/transit/gtfs/reference/extended-route-types."""


@dataclass(frozen=True, slots=True)
class FeedRoute:
    """A line that the public knows by name, and its agency's zone of time."""

    feed_route_id: str
    short_name: str
    long_name: str
    mode: Mode
    timezone: str


def read_routes(archive: Archive, *, zones: dict[str, str]) -> dict[str, FeedRoute]:
    """Read the routes of agencies whose zones of time are known."""
    found: dict[str, FeedRoute] = {}

    def take(row: Row, cells: list[str]) -> None:
        route_id, kind, agency_id, short_name, long_name = cells
        if route_id in found:
            raise BadValue("route_id", f"{shown(route_id)} stands twice: give each route an identifier of its own.")
        if agency_id and agency_id not in zones:
            raise BadValue("agency_id", f"No usable agency has the identifier {shown(agency_id)}: add it or mend it.")
        if not short_name and not long_name:
            raise BadValue("route_short_name", "Give the route a short name or a long one.")
        found[route_id] = FeedRoute(
            identifier("route_id", route_id),
            words(row, "route_short_name", short_name),
            words(row, "route_long_name", long_name),
            mode_of(row, whole("route_type", kind)),
            zones.get(agency_id) or next(iter(zones.values())),
        )

    visit(archive, ROUTES, take)
    return found


def mode_of(row: Row, kind: int) -> Mode:
    """Translate a basic or an extended type of route; one that is not known is taken for a bus, and told."""
    mode = BASIC_TYPES.get(kind) or EXTENDED_TYPES.get(kind // 100)
    if mode is None:
        row.warn("route_type", f"{kind} is no type of route that we sell; it is taken for a bus.")
    return mode or Mode.BUS
