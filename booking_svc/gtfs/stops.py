"""Agencies, for their zones of time, and the stops and stations of a feed."""

from dataclasses import dataclass, replace

from booking_svc.gtfs.archive import Archive
from booking_svc.gtfs.problems import Row, shown
from booking_svc.gtfs.rows import visit
from booking_svc.gtfs.tables import AGENCY, STOPS
from booking_svc.gtfs.values import identifier, number, whole, words, zone

STATION, BOARDING_AREA = 1, 4
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


def read_agencies(archive: Archive) -> dict[str, str]:
    """Read the zone of time of every agency; the first agency's is that of the feed."""
    zones: dict[str, str] = {}

    def take(row: Row, cells: list[str]) -> None:
        timezone, agency_id = cells
        zones[agency_id] = zone("agency_timezone", timezone)
        if timezone != next(iter(zones.values())):
            row.warn("agency_timezone", "Differs from the first agency's: one feed should have one zone of time.")

    visit(archive, AGENCY, take)
    if not zones:
        archive.problems.stop(AGENCY.file, 0, "Has no agency with a zone of time: add one.")
    return zones


def read_stops(archive: Archive, *, timezone: str) -> list[FeedStop]:
    """Read stops and stations; a stop takes the zone of time of its station, or else that of the feed."""
    stops: dict[str, tuple[Row, FeedStop]] = {}
    # Entrances and what else lies inside a station, by their parents.
    inside: dict[str, str] = {}

    def take(row: Row, cells: list[str]) -> None:
        stop_id, _, _, _, kind, parent_id, *_ = cells
        location_type = whole("location_type", kind or "0", most=BOARDING_AREA)
        if location_type > STATION:
            inside[stop_id] = parent_id
        else:
            stops[stop_id] = row, stop_of(row, cells, is_station=location_type == STATION)

    visit(archive, STOPS, take)
    found = []
    for row, stop in stops.values():
        parent_id = inside.get(stop.feed_station_id, stop.feed_station_id)
        _, station = stops.get(parent_id, (row, stop))
        if parent_id not in stops and stop.feed_station_id:
            reason = f"No usable station has the identifier {shown(parent_id)}: add it or mend it."
            archive.problems.error(STOPS.file, row.line, "parent_station", reason)
            continue
        if stop.feed_station_id and not station.is_station:
            row.warn("parent_station", "Is not a station (location_type 1), so this stop has none.")
        station_id = station.feed_stop_id if stop.feed_station_id and station.is_station else ""
        found.append(replace(stop, timezone=stop.timezone or station.timezone or timezone, feed_station_id=station_id))
    return found


def stop_of(row: Row, cells: list[str], *, is_station: bool) -> FeedStop:
    """Read a row of stops.txt that is a stop, with its parent as it stands there, or a station, which has none."""
    stop_id, name, latitude, longitude, _, parent_id, zone_id, timezone = cells
    if not name:
        row.warn("stop_name", "Is blank, so that the stop is called by its identifier: give it a name.")
    place = number("stop_lat", latitude, least=-90, most=90), number("stop_lon", longitude, least=-180, most=180)
    if place == (0.0, 0.0):
        row.warn("stop_lat", "Lies in the Atlantic, at 0,0: give the stop its place, by which rides are measured.")
    return FeedStop(
        stop_id,
        words(row, "stop_name", name or stop_id),
        zone("stop_timezone", timezone) if timezone else "",
        *place,
        identifier("zone_id", zone_id, most=ZONE_ID_MAX) if zone_id else "",
        "" if is_station else parent_id,
        is_station,
    )
