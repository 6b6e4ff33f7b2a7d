"""The sample network, held against the rules of the GTFS reference by a reader of its own.

https://gtfs.org/documentation/schedule/reference/, as far as the files of the network go. No code of the product.
"""

import json
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from tests.cli.sample_tables import (
    CALLS,
    FOLDER,
    FREQUENCIES,
    ROUTES,
    SHAPES,
    STARTS,
    STOPS,
    TRIPS_OF,
    WEEKDAYS,
    active_services,
    by,
    calls_of,
    day,
    ids,
    meters,
    place,
    seconds,
    starts_on,
    table,
)
from tests.sample_network.feed import files as made

REQUIRED = {
    "agency.txt": "agency_id agency_name agency_url agency_timezone",
    "stops.txt": "stop_id stop_name stop_lat stop_lon",
    "routes.txt": "route_id agency_id route_short_name route_long_name route_type",
    "trips.txt": "route_id service_id trip_id trip_headsign direction_id shape_id",
    "stop_times.txt": "trip_id stop_id stop_sequence pickup_type drop_off_type timepoint shape_dist_traveled",
    "calendar.txt": "service_id monday tuesday wednesday thursday friday saturday sunday start_date end_date",
    "calendar_dates.txt": "service_id date exception_type",
    "shapes.txt": "shape_id shape_pt_lat shape_pt_lon shape_pt_sequence shape_dist_traveled",
    "frequencies.txt": "trip_id start_time end_time headway_secs",
    "fare_attributes.txt": "fare_id price currency_type payment_method transfers agency_id",
    "fare_rules.txt": "fare_id",
    "feed_info.txt": "feed_publisher_name feed_publisher_url feed_lang feed_start_date feed_end_date feed_version",
}
"""The files, and the fields that may not be empty in any row."""
KEYS = {
    "agency.txt": "agency_id",
    "stops.txt": "stop_id",
    "routes.txt": "route_id",
    "trips.txt": "trip_id",
    "stop_times.txt": "trip_id stop_sequence",
    "calendar.txt": "service_id",
    "calendar_dates.txt": "service_id date",
    "shapes.txt": "shape_id shape_pt_sequence",
    "frequencies.txt": "trip_id start_time",
    "fare_attributes.txt": "fare_id",
    "fare_rules.txt": "fare_id route_id origin_id destination_id",
}
ALLOWED = {
    ("stops.txt", "location_type"): {"0", "1"},
    ("routes.txt", "route_type"): {"4", "200", "711"},
    ("trips.txt", "direction_id"): {"0", "1"},
    ("trips.txt", "bikes_allowed"): {"1", "2"},
    ("stop_times.txt", "pickup_type"): {"0", "1"},
    ("stop_times.txt", "drop_off_type"): {"0", "1"},
    ("stop_times.txt", "timepoint"): {"0", "1"},
    ("calendar_dates.txt", "exception_type"): {"1", "2"},
    ("frequencies.txt", "exact_times"): {"0", "1"},
    ("fare_attributes.txt", "currency_type"): {"EUR"},
    ("fare_attributes.txt", "payment_method"): {"0", "1"},
    ("fare_attributes.txt", "transfers"): {"", "0", "1", "2"},
}
SOUTH, NORTH, WEST, EAST = 53.0, 56.0, 7.5, 15.5
FERRY = "4"
DEPARTURES_A_DAY_MIN, DEPARTURES_A_DAY_MAX = 150, 270
TODAY = datetime.now(UTC).date()
COMING_YEAR = [TODAY + timedelta(days=number) for number in range(366)]


def test_the_files_are_what_their_tables_make():
    """A change belongs into tests/sample_network; then python -m tests.sample_network."""
    assert {name for name, content in made().items() if (FOLDER / name).read_text("utf-8") != content} == set()
    assert {path.name for path in FOLDER.iterdir()} == {*made(), "README.md"}


@pytest.mark.parametrize("name", REQUIRED)
def test_every_row_has_the_fields_that_it_must_have(name: str):
    assert (FOLDER / name).read_bytes()[:3] != b"\xef\xbb\xbf"
    for number, row in enumerate(table(name), 2):
        assert None not in row, f"{name}:{number} has more cells than the header"
        assert None not in row.values(), f"{name}:{number} has fewer cells than the header"
        assert [field for field in REQUIRED[name].split() if not row[field]] == [], f"{name}:{number}"
        assert all(cell == cell.strip() and cell.isprintable() for cell in row.values()), f"{name}:{number}"


@pytest.mark.parametrize("name", KEYS)
def test_nothing_stands_twice(name: str):
    counts = Counter(tuple(row[field] for field in KEYS[name].split()) for row in table(name))
    assert [key for key, count in counts.items() if count > 1] == []


@pytest.mark.parametrize(("name", "field"), ALLOWED)
def test_kinds_are_those_of_the_reference(name: str, field: str):
    """200 is a coach and 711 a shuttle: Google's extended types, for the reference has none for them."""
    assert ids(name, field) <= ALLOWED[name, field]


@pytest.mark.parametrize(
    ("name", "field", "target", "key"),
    [
        ("routes.txt", "agency_id", "agency.txt", "agency_id"),
        ("trips.txt", "route_id", "routes.txt", "route_id"),
        ("trips.txt", "shape_id", "shapes.txt", "shape_id"),
        ("stop_times.txt", "trip_id", "trips.txt", "trip_id"),
        ("frequencies.txt", "trip_id", "trips.txt", "trip_id"),
        ("fare_attributes.txt", "agency_id", "agency.txt", "agency_id"),
        ("fare_rules.txt", "fare_id", "fare_attributes.txt", "fare_id"),
        ("fare_rules.txt", "route_id", "routes.txt", "route_id"),
        ("fare_rules.txt", "origin_id", "stops.txt", "zone_id"),
        ("fare_rules.txt", "destination_id", "stops.txt", "zone_id"),
    ],
)
def test_every_identifier_is_that_of_something(name: str, field: str, target: str, key: str):
    assert ids(name, field) - ids(target, key) - {""} == set()


def test_services_of_trips_are_those_of_the_calendars():
    assert ids("trips.txt", "service_id") == ids("calendar.txt", "service_id") | ids("calendar_dates.txt", "service_id")


def test_nothing_is_there_without_a_use():
    assert ids("shapes.txt", "shape_id") == ids("trips.txt", "shape_id")
    assert ids("stop_times.txt", "trip_id") == ids("trips.txt", "trip_id")
    assert ids("fare_attributes.txt", "fare_id") == ids("fare_rules.txt", "fare_id")
    stops = {stop["stop_id"] for stop in STOPS.values() if stop["location_type"] == "0"}
    assert ids("stop_times.txt", "stop_id") == stops
    assert {stop["stop_id"] for stop in STOPS.values()} - stops == ids("stops.txt", "parent_station") - {""}


def test_stations_have_platforms_close_by():
    platforms = by("stops.txt", "parent_station")
    stations = {stop_id for stop_id, stop in STOPS.items() if stop["location_type"] == "1"}
    assert len(stations) >= 3
    for station_id in stations:
        station = STOPS[station_id]
        assert not station["parent_station"]
        assert len({stop["platform_code"] for stop in platforms[station_id]}) == len(platforms[station_id]) >= 2
        for stop in platforms[station_id]:
            assert stop["stop_name"] == station["stop_name"]
            assert meters(place(stop, "stop"), place(station, "stop")) < 200


def test_everything_lies_on_the_coast():
    places = [place(stop, "stop") for stop in STOPS.values()]
    places += [place(point, "shape_pt") for point in table("shapes.txt")]
    assert all(SOUTH < latitude < NORTH and WEST < longitude < EAST for latitude, longitude in places)


@pytest.mark.parametrize("trip_id", CALLS)
def test_a_trip_goes_forward_in_time_and_space(trip_id: str):
    calls = calls_of(trip_id)
    assert len(calls) >= 2
    timed = [call for call in calls if call["timepoint"] == "1"]
    assert {calls[0]["timepoint"], calls[-1]["timepoint"]} == {"1"}
    assert all(seconds(call["arrival_time"]) <= seconds(call["departure_time"]) for call in timed)
    assert all(seconds(a["departure_time"]) < seconds(b["arrival_time"]) for a, b in pairwise(timed))
    untimed = [call for call in calls if call["timepoint"] == "0"]
    assert all(call["arrival_time"] == call["departure_time"] == "" for call in untimed)
    assert all(float(a["shape_dist_traveled"]) < float(b["shape_dist_traveled"]) for a, b in pairwise(calls))
    assert calls[0]["pickup_type"] == "0" == calls[-1]["drop_off_type"]
    assert calls[0]["drop_off_type"] == "1" == calls[-1]["pickup_type"]
    assert all("0" in (call["pickup_type"], call["drop_off_type"]) for call in calls)


@pytest.mark.parametrize("trip", table("trips.txt"), ids=lambda trip: trip["trip_id"])
def test_a_vehicle_could_keep_the_timetable(trip: dict[str, str]):
    """Coaches reach 105 km/h at most between two stops, ships 35 km/h."""
    slowest, fastest = (8, 35) if ROUTES[trip["route_id"]]["route_type"] == FERRY else (15, 105)
    timed = [call for call in calls_of(trip["trip_id"]) if call["timepoint"] == "1"]
    for start, end in pairwise(timed):
        kilometers = float(end["shape_dist_traveled"]) - float(start["shape_dist_traveled"])
        hours = (seconds(end["arrival_time"]) - seconds(start["departure_time"])) / 3600
        assert slowest < kilometers / hours < fastest, (start["stop_id"], end["stop_id"], kilometers / hours)


@pytest.mark.parametrize("shape_id", SHAPES)
def test_a_shape_is_measured_right_and_fine_enough_to_look_at(shape_id: str):
    points = sorted(SHAPES[shape_id], key=lambda row: int(row["shape_pt_sequence"]))
    assert 20 <= len(points) <= 250
    for start, end in pairwise(points):
        kilometers = float(end["shape_dist_traveled"]) - float(start["shape_dist_traveled"])
        length = meters(place(start, "shape_pt"), place(end, "shape_pt"))
        assert 20 < length < 3000
        assert kilometers * 1000 == pytest.approx(length, abs=5)


@pytest.mark.parametrize("shape_id", SHAPES)
def test_a_shape_runs_from_the_first_stop_to_the_last_past_all_others(shape_id: str):
    at = {point["shape_dist_traveled"]: place(point, "shape_pt") for point in SHAPES[shape_id]}
    trips = [trip["trip_id"] for trip in table("trips.txt") if trip["shape_id"] == shape_id]
    for trip_id in trips:
        calls = calls_of(trip_id)
        for call in calls:
            stop = STOPS[call["stop_id"]]
            assert meters(at[call["shape_dist_traveled"]], place(stop, "stop")) < 300, stop["stop_id"]
        distances = [float(distance) for distance in at]
        assert (min(distances), max(distances)) == (
            float(calls[0]["shape_dist_traveled"]),
            float(calls[-1]["shape_dist_traveled"]),
        )


def test_calendars_are_right_and_reach_far():
    for row in table("calendar.txt"):
        assert day(row["start_date"]) < day(row["end_date"])
        assert {row[weekday] for weekday in WEEKDAYS} <= {"0", "1"}
    info = table("feed_info.txt")[0]
    first, last = day(info["feed_start_date"]), day(info["feed_end_date"])
    assert (first, last) == (date(2025, 1, 1), date(2035, 12, 31))
    assert all(first <= day(row["date"]) <= last for row in table("calendar_dates.txt"))
    assert ZoneInfo(table("agency.txt")[0]["agency_timezone"]).key == "Europe/Berlin"


def test_frequencies_do_not_overlap():
    for rows in FREQUENCIES.values():
        spans = sorted((seconds(row["start_time"]), seconds(row["end_time"])) for row in rows)
        assert all(start < end for start, end in spans)
        assert all(a[1] <= b[0] for a, b in pairwise(spans))


@pytest.mark.parametrize(
    ("on", "weekdays_run"),
    [
        (date(2026, 4, 3), False),  # Good Friday
        (date(2027, 5, 6), False),  # Ascension
        (date(2030, 6, 10), False),  # Whit Monday
        (date(2031, 10, 31), False),  # Reformation Day
        (date(2026, 12, 24), True),
        (date(2026, 12, 25), False),
        (date(2026, 12, 26), False),
        (date(2027, 5, 7), True),
    ],
)
def test_holidays_are_like_sundays(on: date, weekdays_run: bool):
    assert ("weekdays" in active_services(on)) is weekdays_run
    assert ("weekend" in active_services(on)) is not weekdays_run


def test_seasons_and_festivals_come_and_go():
    assert {"summer", "winter"} & active_services(date(2028, 3, 31)) == {"winter"}
    assert {"summer", "winter"} & active_services(date(2028, 4, 1)) == {"summer"}
    assert {"summer", "winter"} & active_services(date(2028, 11, 1)) == {"winter"}
    sails = [on for on in (date(2026, 8, number) for number in range(1, 32)) if "hanse-sail" in active_services(on)]
    assert sails == [date(2026, 8, 6), date(2026, 8, 7), date(2026, 8, 8)]


@pytest.mark.parametrize("on", [COMING_YEAR[0], COMING_YEAR[13], date(2035, 12, 31)], ids=str)
def test_every_line_for_the_whole_year_runs_on_each_of_the_coming_days(on: date):
    all_year = set(ROUTES) - {"F4"}
    assert {route_id for route_id in all_year if not starts_on(on, route_id)} == set()


def test_every_line_runs_in_the_coming_year():
    assert {route_id for route_id in ROUTES if not any(starts_on(on, route_id) for on in COMING_YEAR)} == set()


def test_a_day_is_lively_but_not_too_long():
    counts = {on: sum(len(starts_on(on, route_id)) for route_id in ROUTES) for on in COMING_YEAR}
    assert min(counts.values()) >= DEPARTURES_A_DAY_MIN
    assert max(counts.values()) <= DEPARTURES_A_DAY_MAX


@pytest.mark.parametrize(
    "on", [date(2027, 1, 24), date(2027, 7, 14)], ids=["a Sunday in winter", "a Wednesday in summer"]
)
def test_something_is_under_way_at_every_minute_from_six_to_midnight(on: date):
    busy: Counter[int] = Counter()
    for route_id in ROUTES:
        for trip in TRIPS_OF[route_id]:
            if trip["service_id"] in active_services(on):
                calls = calls_of(trip["trip_id"])
                length = seconds(calls[-1]["arrival_time"]) - seconds(calls[0]["departure_time"])
                for start in STARTS[trip["trip_id"]]:
                    busy.update(range(start // 60, (start + length) // 60))
    assert min(busy[minute] for minute in range(6 * 60 + 30, 24 * 60)) >= 4


def test_the_night_coach_runs_past_midnight_and_says_who_may_get_on():
    calls = calls_of("N9-out-2245-daily")
    assert seconds(calls[-1]["arrival_time"]) > 27 * 3600
    rules = [(call["pickup_type"], call["drop_off_type"]) for call in calls]
    assert rules == [("0", "1"), ("0", "1"), ("0", "0"), ("1", "0"), ("1", "0"), ("1", "0")]
    back = [(call["pickup_type"], call["drop_off_type"]) for call in calls_of("N9-back-2130-daily")]
    assert back == [rules[0], ("0", "1"), ("0", "1"), ("0", "0"), ("1", "0"), ("1", "0")]


def test_some_calls_have_no_times_of_their_own():
    assert {trip_id[:2] for trip_id in CALLS for call in CALLS[trip_id] if call["timepoint"] == "0"} == {
        "N3",
        "N5",
        "N6",
    }


def test_names_have_their_accents():
    names = " ".join(stop["stop_name"] for stop in STOPS.values())
    assert all(word in names for word in ("Föhr", "Lübeck", "Rødby", "Rügen", "Rønne", "Straße"))


def test_every_ride_has_a_fare():
    by_route = {rule["route_id"] for rule in table("fare_rules.txt") if not rule["origin_id"]}
    by_zones = {(rule["origin_id"], rule["destination_id"]) for rule in table("fare_rules.txt") if rule["origin_id"]}
    assert by_route == {route_id for route_id, route in ROUTES.items() if route["route_type"] != "200"}
    for route_id in set(ROUTES) - by_route:
        for trip in TRIPS_OF[route_id]:
            zones = [STOPS[call["stop_id"]]["zone_id"] for call in calls_of(trip["trip_id"])]
            rides = {(zones[i], zones[j]) for i in range(len(zones)) for j in range(i + 1, len(zones))}
            assert rides - by_zones == set(), route_id


def test_layouts_have_seats_and_counted_places():
    layouts = json.loads((FOLDER / "layouts.json").read_text("utf-8"))
    assert set(layouts) <= set(ROUTES)
    for route_id, layout in layouts.items():
        labels = [seat["id"] for seat in layout["seats"]]
        assert len(set(labels)) == len(labels) <= 2000
        assert all(len(label) <= 8 for label in labels)
        assert len({(seat["row"], seat["column"]) for seat in layout["seats"]}) == len(labels)
        deck = [seat["id"] for seat in layout["seats"] if "deck" in seat["features"]]
        assert deck == [f"P{number}" for number in range(1, len(deck) + 1)]
        assert bool(deck) is (ROUTES[route_id]["route_type"] == FERRY)
        assert len(deck) < len(labels)
