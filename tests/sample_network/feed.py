"""The files of the sample network, made from its places, ways, lines and calendars."""

import csv
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, combinations, pairwise
from pathlib import Path

from tests.sample_network import ways
from tests.sample_network.calendars import FIRST_DAY, LAST_DAY, WEEK, exceptions
from tests.sample_network.curves import Place, meters_between, moved, smooth
from tests.sample_network.layouts import LAYOUTS
from tests.sample_network.lines import COACH, FERRY, LINES, ROUTE_FARES, At, Line
from tests.sample_network.places import PLACES

FOLDER = Path(__file__).parents[2] / "cli" / "sample_network"
OPERATOR, SITE, VERSION = "nordlicht", "https://nordlicht.example", "1"
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")

Rows = Iterable[Sequence[object]]


def files() -> dict[str, str]:
    """Return the content of each file by its name."""
    return {
        "agency.txt": table(
            "agency_id agency_name agency_url agency_timezone agency_lang",
            [(OPERATOR, "Nordlicht", SITE, "Europe/Berlin", "de")],
        ),
        "feed_info.txt": table(
            "feed_publisher_name feed_publisher_url feed_lang feed_start_date feed_end_date feed_version "
            "feed_contact_url",
            [("Headway", SITE, "de", f"{FIRST_DAY:%Y%m%d}", f"{LAST_DAY:%Y%m%d}", VERSION, SITE)],
        ),
        "stops.txt": table(
            "stop_id stop_name stop_lat stop_lon zone_id location_type parent_station platform_code", stops()
        ),
        "routes.txt": table(
            "route_id agency_id route_short_name route_long_name route_type route_color route_text_color", routes()
        ),
        "calendar.txt": table(f"service_id {' '.join(WEEKDAYS)} start_date end_date", weeks()),
        "calendar_dates.txt": table(
            "service_id date exception_type", sorted((name, f"{day:%Y%m%d}", kind) for name, day, kind in exceptions())
        ),
        "shapes.txt": table("shape_id shape_pt_lat shape_pt_lon shape_pt_sequence shape_dist_traveled", shapes()),
        "trips.txt": table("route_id service_id trip_id trip_headsign direction_id shape_id bikes_allowed", trips()),
        "stop_times.txt": table(
            "trip_id arrival_time departure_time stop_id stop_sequence pickup_type drop_off_type shape_dist_traveled "
            "timepoint",
            stop_times(),
        ),
        "frequencies.txt": table("trip_id start_time end_time headway_secs exact_times", frequencies()),
        "fare_attributes.txt": table("fare_id price currency_type payment_method transfers agency_id", fares()),
        "fare_rules.txt": table("fare_id route_id origin_id destination_id", fare_rules()),
        "layouts.json": layouts(),
    }


def table(header: str, rows: Rows) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows([header.split(), *rows])
    return out.getvalue()


def layouts() -> str:
    """Write a seat a line."""
    blocks = []
    for route_id, layout in LAYOUTS.items():
        seats = ",\n".join(f"    {json.dumps(seat)}" for seat in layout["seats"])
        blocks.append(f'  "{route_id}": {{"name": {json.dumps(layout["name"])}, "seats": [\n{seats}\n  ]}}')
    return "{\n" + ",\n".join(blocks) + "\n}\n"


def stops() -> Rows:
    for key, place in PLACES.items():
        at = f"{place.latitude:.5f}", f"{place.longitude:.5f}"
        yield key, place.name, *at, "" if place.platforms else place.zone, int(bool(place.platforms)), "", ""
        for code, offset in place.platforms.items():
            latitude, longitude = moved((place.latitude, place.longitude), *offset)
            at = f"{latitude:.5f}", f"{longitude:.5f}"
            yield f"{key}-{code.lower()}", place.name, *at, place.zone, 0, key, code


def routes() -> Rows:
    for line in {line.id: line for line in LINES}.values():
        yield line.id, OPERATOR, line.id, line.name, line.kind, line.color, "FFFFFF"


def weeks() -> Rows:
    for service_id, week in WEEK.items():
        yield service_id, *week, f"{FIRST_DAY:%Y%m%d}", f"{LAST_DAY:%Y%m%d}"


def stretches() -> dict[tuple[str, str], list[Place]]:
    """Return the curve between any two stops that follow each other on a way, in both directions."""
    found: dict[tuple[str, str], list[Place]] = {}
    for text in (way for name, way in vars(ways).items() if name.isupper()):
        words = iter(text.split())
        start, points = "", []
        for word in words:
            if not word.startswith("@"):
                points.append((float(word), float(next(words))))
                continue
            key, place = place_of(word[1:])
            if start:
                curve = smooth([*points, place])
                found |= {(start, key): curve, (key, start): curve[::-1]}
            start, points = key, [place]
    return found


def place_of(text: str) -> tuple[str, Place]:
    """Find the stop that a way names."""
    key, _, code = text.partition(":")
    place = PLACES[key].latitude, PLACES[key].longitude
    return key, moved(place, *PLACES[key].platforms[code]) if code else place


STRETCHES = stretches()


def directions() -> Iterator[tuple[Line, int, str, tuple[At, ...]]]:
    """Yield each line, or variant of one, in both directions: its number, what it is called and its calls."""
    for line in LINES:
        name = f"{line.id}-{line.variant}" if line.variant else line.id
        yield line, 0, f"{name}-out", line.calls
        yield line, 1, f"{name}-back", line.reversed_calls()


def way_of(calls: Sequence[At]) -> tuple[list[Place], list[float], list[float]]:
    """Return a line on the map, how many kilometres along it each point lies, and the same for each call."""
    points, marks = [], [0]
    for start, end in pairwise(calls):
        curve = STRETCHES[start.key, end.key]
        points += curve[1:] if points else curve
        marks.append(len(points) - 1)
    along = list(accumulate((meters_between(*pair) / 1000 for pair in pairwise(points)), initial=0.0))
    return points, along, [along[mark] for mark in marks]


def shapes() -> Rows:
    for _, _, shape_id, calls in directions():
        points, along, _ = way_of(calls)
        for number, ((latitude, longitude), kilometers) in enumerate(zip(points, along, strict=True), 1):
            yield shape_id, f"{latitude:.5f}", f"{longitude:.5f}", number, f"{kilometers:.3f}"


def starts(line: Line, direction: int) -> Iterator[tuple[str, str]]:
    """Yield service and time of each start; what runs at a frequency starts when its first service does."""
    for service_id, times in (line.back if direction else line.out).items():
        for time in times.split():
            yield service_id, time
    for service_id, spans in line.every.items():
        yield service_id, spans[0][0]


def trip_id_of(shape_id: str, service_id: str, time: str) -> str:
    return f"{shape_id}-{time.replace(':', '')}-{service_id}"


def trips() -> Rows:
    for line, direction, shape_id, calls in directions():
        headsign, bikes = PLACES[calls[-1].key].name, 1 if line.kind == FERRY else 2
        for service_id, time in starts(line, direction):
            trip_id = trip_id_of(shape_id, service_id, time)
            yield line.id, service_id, trip_id, headsign, direction, shape_id, bikes


def stop_times() -> Rows:
    for line, direction, shape_id, calls in directions():
        _, _, marks = way_of(calls)
        called = [(at, mark) for at, mark in zip(calls, marks, strict=True) if not at.passes]
        for service_id, time in starts(line, direction):
            trip_id = trip_id_of(shape_id, service_id, time)
            for number, (at, mark) in enumerate(called, 1):
                pickup = int(at.only == "down" or number == len(called))
                drop_off = int(at.only == "up" or number == 1)
                rules = pickup, drop_off, f"{mark:.3f}", int(at.minutes is not None)
                yield trip_id, *times_of(at, time), at.stop_id, number, *rules


def times_of(at: At, start: str) -> tuple[str, str]:
    if at.minutes is None:
        return "", ""
    arrival = minutes_of(start) + at.minutes
    return clock(arrival), clock(arrival + at.stay)


def minutes_of(time: str) -> int:
    hours, minutes = time.split(":")
    return int(hours) * 60 + int(minutes)


def clock(minutes: int) -> str:
    return f"{minutes // 60:02}:{minutes % 60:02}:00"


def frequencies() -> Rows:
    for line, _, shape_id, _ in directions():
        for service_id, spans in line.every.items():
            trip_id = trip_id_of(shape_id, service_id, spans[0][0])
            for start, end, apart in spans:
                yield trip_id, clock(minutes_of(start)), clock(minutes_of(end)), apart * 60, 1


def zone_prices() -> dict[tuple[str, str], str]:
    """Price each pair of zones that a coach joins, by the shortest way between their stops."""
    kilometers: dict[tuple[str, str], float] = {}
    for line, _, _, calls in directions():
        if line.kind != COACH:
            continue
        _, _, marks = way_of(calls)
        called = [(PLACES[at.key].zone, mark) for at, mark in zip(calls, marks, strict=True) if not at.passes]
        for (origin, start), (destination, end) in combinations(called, 2):
            pair = origin, destination
            kilometers[pair] = min(end - start, kilometers.get(pair, end - start))
    return {pair: f"{max(2, round(2 + 0.11 * length))}.90" for pair, length in sorted(kilometers.items())}


def fares() -> Rows:
    for price in sorted(set(zone_prices().values()), key=float):
        yield f"coach-{price}", price, "EUR", 1, 0, OPERATOR
    for route_id, price in ROUTE_FARES.items():
        yield f"line-{route_id}", price, "EUR", 1, 0, OPERATOR


def fare_rules() -> Rows:
    for (origin, destination), price in zone_prices().items():
        yield f"coach-{price}", "", origin, destination
    for route_id in ROUTE_FARES:
        yield f"line-{route_id}", route_id, "", ""
