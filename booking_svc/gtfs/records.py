"""What the reader writes: JSON, one object a line. The package's docstring lists the kinds."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, astuple
from datetime import date
from pathlib import Path
from typing import Any, cast

from booking_svc.domain.feed import FeedTrip
from booking_svc.gtfs.fares import Fares
from booking_svc.gtfs.patterns import PatternWriter
from booking_svc.gtfs.problems import Problems, UnreadableFeed
from booking_svc.gtfs.read_feed import FeedContents, read_feed
from booking_svc.gtfs.routes import FeedRoute

LINE_CHARACTERS_MAX = 150_000


def read_records(path: Path, *, skips_bad: bool) -> Iterator[str]:
    """Read a feed and yield its lines; what is wrong is told in them and never raised."""
    problems, feed = Problems(), None
    try:
        feed = read_feed(path, problems)
    except UnreadableFeed:
        pass
    except MemoryError:
        problems.error(path.name, 0, "", "Takes more memory than a feed may: divide it.")
    if problems.counts["error"] and not skips_bad:
        feed = None
    if feed:
        yield from content_lines(feed, problems)
    yield from lines("problems", map(asdict, problems.told))
    counts = {name: len(getattr(feed, name, ())) for name in ("stops", "routes", "patterns", "trips")}
    errors, warnings = problems.counts["error"], problems.counts["warning"]
    end = {"counts": counts, "errors": errors, "warnings": warnings, "is_usable": feed is not None}
    yield encode({"end": end}) + "\n"


def content_lines(feed: FeedContents, problems: Problems) -> Iterator[str]:
    """Yield what is right with a feed, each thing before those that name it."""
    yield from lines("stops", map(asdict, feed.stops))
    yield from lines("routes", map(route_record, feed.routes))
    yield from lines("patterns", PatternWriter(feed.shapes, feed.stops, problems).records(feed.patterns))
    yield from lines("services", map(asdict, feed.services))
    yield from lines("trips", map(trip_record, feed.trips))
    if feed.fares:
        yield encode({"fares": fares_record(feed.fares)}) + "\n"


def route_record(route: FeedRoute) -> dict[str, Any]:
    record = asdict(route)
    del record["timezone"]
    return record


def trip_record(trip: FeedTrip) -> dict[str, Any]:
    return asdict(trip) | {"frequencies": [astuple(frequency) for frequency in trip.frequencies]}


def fares_record(fares: Fares) -> dict[str, Any]:
    return {
        "currency": fares.currency,
        "fares": [
            {
                "feed_route_id": route_id,
                "origin_zone_id": origin_id,
                "destination_zone_id": destination_id,
                "amount_minor": amount_minor,
            }
            for (route_id, origin_id, destination_id), amount_minor in fares.cheapest.items()
        ],
    }


def lines(kind: str, records: Iterable[dict[str, Any]]) -> Iterator[str]:
    """Yield records of one kind, as many a line as fit."""
    held: list[str] = []
    size = 0
    for record in records:
        text = encode(record)
        if held and size + len(text) > LINE_CHARACTERS_MAX:
            yield joined(kind, held)
            held, size = [], 0
        held.append(text)
        size += len(text) + 1
    if held:
        yield joined(kind, held)


def joined(kind: str, texts: Iterable[str]) -> str:
    return f'{{"{kind}":[{",".join(texts)}]}}\n'


def encode(record: dict[str, Any]) -> str:
    return json.dumps(record, separators=(",", ":"), default=plain)


def plain(value: object) -> object:
    """Return what JSON has for a day or a set of days."""
    return value.isoformat() if isinstance(value, date) else sorted(cast(frozenset[date], value))
