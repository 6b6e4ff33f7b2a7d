"""What the reader writes: JSON, one object a line. The package's docstring lists the kinds."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, astuple
from datetime import date
from pathlib import Path
from typing import Any, cast

from booking_svc.gtfs.patterns import pattern_records
from booking_svc.gtfs.problems import Problems, UnreadableFeed
from booking_svc.gtfs.read_feed import FeedContents, read_feed

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
    yield from lines("problems", problems.kept)
    counts = {name: len(getattr(feed, name, ())) for name in ("stops", "routes", "patterns", "trips")}
    told = {"errors": problems.counts["error"], "warnings": problems.counts["warning"]}
    yield encode({"end": {"counts": counts, **told, "is_usable": feed is not None}}) + "\n"


def content_lines(feed: FeedContents, problems: Problems) -> Iterator[str]:
    """Yield what is right with a feed, each thing before those that name it."""
    routes = ({name: value for name, value in asdict(one).items() if name != "timezone"} for one in feed.routes)
    trips = (asdict(one) | {"frequencies": [astuple(run) for run in one.frequencies]} for one in feed.trips)
    yield from lines("stops", map(asdict, feed.stops))
    yield from lines("routes", routes)
    yield from lines(
        "patterns", pattern_records(feed.patterns, stops=feed.stops, shapes=feed.shapes, problems=problems)
    )  # fmt: skip
    yield from lines("services", map(asdict, feed.services))
    yield from lines("trips", trips)
    if feed.fares:
        yield encode({"fares": feed.fares}) + "\n"


def lines(kind: str, records: Iterable[dict[str, Any]]) -> Iterator[str]:
    """Yield records of one kind, as many a line as fit."""
    held: list[str] = []
    size = 0
    for text in map(encode, records):
        if held and size + len(text) > LINE_CHARACTERS_MAX:
            yield f'{{"{kind}":[{",".join(held)}]}}\n'
            held, size = [], 0
        held.append(text)
        size += len(text)
    if held:
        yield f'{{"{kind}":[{",".join(held)}]}}\n'


def encode(record: dict[str, Any]) -> str:
    return json.dumps(record, separators=(",", ":"), default=plain)


def plain(value: object) -> object:
    """Return what JSON has for a day or a set of days."""
    return value.isoformat() if isinstance(value, date) else sorted(cast(frozenset[date], value))
