"""Agencies, for their zones of time, and the stops and stations of a feed."""

from dataclasses import dataclass

from booking_svc.gtfs.archive import Archive
from booking_svc.gtfs.problems import BadValue, shown
from booking_svc.gtfs.rows import Row, visit
from booking_svc.gtfs.tables import AGENCY, STOPS
from booking_svc.gtfs.values import identifier, number, whole, words, zone

STOP, STATION, BOARDING_AREA = 0, 1, 4
ZONE_ID_MAX = 64


@dataclass(frozen=True, slots=True)
class FeedStop:
    """A place where vehicles stop, or a station of such places."""

    feed_stop_id: str
    name: str
    timezone: str
    latitude: float
    longitude: float
    zone_id: str
    feed_station_id: str
    is_station: bool


@dataclass(frozen=True, slots=True)
class Place:
    """A row of stops.txt; entrances and what is inside a station have no name or position that we need."""

    row: Row
    id: str
    kind: int
    parent_id: str
    name: str = ""
    latitude: float = 0.0
    longitude: float = 0.0
    zone_id: str = ""
    timezone: str = ""


def read_agencies(archive: Archive) -> dict[str, str]:
    """Read the zone of time of every agency; the first agency's is that of the feed."""
    zones: dict[str, str] = {}

    def take(row: Row, cells: list[str]) -> None:
        timezone, agency_id = cells
        if agency_id in zones:
            raise BadValue("agency_id", "Stands twice: give each agency an identifier of its own.")
        zones[agency_id] = zone("agency_timezone", timezone)
        if timezone != next(iter(zones.values())):
            row.warn("agency_timezone", "Differs from the first agency's: one feed should have one zone of time.")

    visit(archive, AGENCY, take)
    if not zones:
        archive.problems.stop(AGENCY.file, 0, "agency_timezone", "Has no agency with a zone of time: add one.")
    return zones


def read_stops(archive: Archive, *, timezone: str) -> dict[str, FeedStop]:
    """Read stops and stations; a stop takes the zone of time of its station, or else that of the feed."""
    places: dict[str, Place] = {}

    def take(row: Row, cells: list[str]) -> None:
        stop_id = identifier("stop_id", cells[0])
        if stop_id in places:
            raise BadValue("stop_id", f"{shown(stop_id)} stands twice: give each stop an identifier of its own.")
        places[stop_id] = place_of(row, cells)

    visit(archive, STOPS, take)
    found = {}
    for place in places.values():
        if place.kind not in (STOP, STATION):
            continue
        station = station_of(place, places)
        if place.parent_id and place.parent_id not in places:
            reason = f"No usable stop has the identifier {shown(place.parent_id)}: add it or mend it."
            archive.problems.error(STOPS.file, place.row.line, "parent_station", reason)
            continue
        if place.parent_id and station is None:
            place.row.warn("parent_station", "Is not a station (location_type 1), so this stop has none.")
        found[place.id] = FeedStop(
            place.id,
            place.name,
            place.timezone or (station.timezone if station else "") or timezone,
            place.latitude,
            place.longitude,
            place.zone_id,
            station.id if station else "",
            place.kind == STATION,
        )
    return found


def place_of(row: Row, cells: list[str]) -> Place:
    """Read a row of stops.txt."""
    stop_id, name, lat, lon, kind, parent_id, zone_id, timezone = cells
    location_type = whole("location_type", kind or "0", most=BOARDING_AREA)
    if location_type not in (STOP, STATION):
        return Place(row, stop_id, location_type, parent_id)
    if not name:
        row.warn("stop_name", "Is blank, so that the stop is called by its identifier: give it a name.")
    return Place(
        row,
        stop_id,
        location_type,
        parent_id,
        words(row, "stop_name", name or stop_id),
        number("stop_lat", lat, least=-90, most=90),
        number("stop_lon", lon, least=-180, most=180),
        identifier("zone_id", zone_id, most=ZONE_ID_MAX) if zone_id else "",
        zone("stop_timezone", timezone) if timezone else "",
    )


def station_of(place: Place, places: dict[str, Place]) -> Place | None:
    """Climb from a stop to its station, which is at most two steps up; parents may go round in circles."""
    for _ in range(2):
        parent = places.get(place.parent_id)
        if parent is None or parent.kind == STATION:
            return parent
        place = parent
    return None
