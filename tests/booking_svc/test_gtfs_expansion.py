"""What the reader tells, laid out, is what the specification says: on our small feed and on real ones."""

from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from tests.booking_svc.gtfs_expansion import expand
from tests.booking_svc.gtfs_feeds import ISLANDS, laid_out, read, real_feed, zipped

REAL = [
    ("bart.zip", date(2018, 6, 4), 7),
    ("caltrain.zip", date(2018, 6, 4), 7),
    ("poa_eptc.zip", date(2019, 5, 6), 7),
    ("wmata_3routes_gtfs.zip", date(2026, 2, 16), 1),
]


@pytest.mark.parametrize(("name", "first_day", "days"), REAL, ids=[name for name, _, _ in REAL])
def test_a_real_feed_comes_through_whole(name: str, first_day: date, days: int):
    """Every run, call and time equals an expansion that was written apart."""
    feed = real_feed(name)
    found = read(feed)
    assert found.end["errors"] == 0
    assert found.is_usable
    expected = expand(feed, first_day, days)
    assert expected
    assert laid_out(found, first_day, days) == expected


def test_the_expansion_itself_is_right(tmp_path: Path):
    """By hand: Saturday without its coach, the Monday after with one, in summer time an hour ahead of UTC."""
    runs = expand(zipped(tmp_path, ISLANDS), date(2026, 6, 6), 3)
    ferries = {
        (trip, datetime(2026, 6, day, hour, minute, tzinfo=UTC))
        for day in (6, 7, 8)
        for trip, hour, minute in [("out", 5, 0), ("out", 5, 20), ("out", 5, 40), ("back", 8, 5)]
    }
    coaches = {("bus", datetime(2026, 6, day, 23, 10, tzinfo=UTC)) for day in (7, 8)}
    assert {(trip, at) for trip, _, at in runs} == ferries | coaches
    at = datetime(2026, 6, 6, 5, 20, tzinfo=UTC)
    assert runs["out", date(2026, 6, 6), at] == [
        ("town", at, at),
        ("cape", None, None),
        ("isle", at.replace(minute=0, hour=6), at.replace(minute=0, hour=6)),
    ]


def test_our_small_feed_comes_through_whole(tmp_path: Path):
    """A whole year, with both changes of the clocks."""
    feed = zipped(tmp_path, ISLANDS)
    assert laid_out(read(feed), date(2026, 1, 1), 365) == expand(feed, date(2026, 1, 1), 365)
