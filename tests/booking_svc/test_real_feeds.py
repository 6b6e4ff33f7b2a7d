"""Real feeds are on sale exactly as an independent expansion of the specification says."""

from datetime import UTC, date, timedelta
from typing import Any

import pytest
from headway.booking.v1 import feeds_pb2
from headway.booking.v1 import timetable_service_pb2 as pb

from tests.booking_svc.gtfs_expansion import expand
from tests.booking_svc.gtfs_feeds import real_feed
from tests.booking_svc.service import Booking
from tests.booking_svc.small_feed import imported

FEEDS = {
    "bart": (date(2018, 6, 4), 7),
    "caltrain": (date(2018, 6, 4), 7),
    "poa_eptc": (date(2019, 5, 6), 1),
    "wmata_3routes_gtfs": (date(2026, 2, 16), 1),
}
PIECE_BYTES = 256 * 1024


@pytest.mark.parametrize("name", FEEDS)
async def test_what_is_on_sale_is_what_the_specification_says(on_sqlite: Booking, name: str) -> None:
    path = real_feed(f"{name}.zip")
    first_day, days = FEEDS[name]
    wanted = expand(path, first_day, days)
    window = {"from": first_day.isoformat(), "days": days}
    feed = await imported(on_sqlite, path.read_bytes(), piece=PIECE_BYTES, **window)
    assert feed.state == feeds_pb2.FEED_STATE_PUBLISHED, feed.problems
    assert (feed.counts.departures, feed.counts.calls) == (len(wanted), sum(map(len, wanted.values())))
    assert feed.changes == feeds_pb2.FeedChanges(added=len(wanted))
    found = {}
    async for departure in listed(on_sqlite):
        key = (departure.feed_trip_id, date.fromisoformat(departure.service_date), utc(departure.starts_at))
        assert key not in found
        found[key] = [
            (call.stop.feed_stop_id, utc(call.scheduled_arrival_at), utc(call.scheduled_departure_at))
            for call in departure.calls
        ]
    assert found.keys() == wanted.keys()
    for key, calls in wanted.items():
        for told, said in zip(found[key], calls, strict=True):
            assert told[0] == said[0]
            assert all(
                said_at is None or told_at == said_at for told_at, said_at in zip(told[1:], said[1:], strict=True)
            )
    again = await imported(on_sqlite, path.read_bytes(), piece=PIECE_BYTES, **window)
    assert again.changes == feeds_pb2.FeedChanges(unchanged=len(wanted))


async def listed(booking: Booking) -> Any:
    async for reply in booking.timetable.ListDepartures(pb.ListDeparturesRequest()):
        yield reply.departure


def utc(timestamp: Any) -> Any:
    return timestamp.ToDatetime(tzinfo=UTC)


async def test_the_faulty_feeds_get_their_reports(on_sqlite: Booking) -> None:
    broken = await imported(on_sqlite, real_feed("example-errors.zip").read_bytes())
    assert broken.state == feeds_pb2.FEED_STATE_REJECTED
    assert {(one.file, one.field) for one in broken.problems} >= {("stops.txt", "stop_lat"), ("trips.txt", "route_id")}
    nested = await imported(on_sqlite, real_feed("example-nested-dir.zip").read_bytes())
    assert nested.state == feeds_pb2.FEED_STATE_PUBLISHED
    assert nested.problems_total == 1, "its service ended years ago, and it says so"


async def test_old_days_can_be_sold_on_coming_ones(on_sqlite: Booking) -> None:
    path = real_feed("caltrain.zip")
    first_day, days = FEEDS["caltrain"]
    today = on_sqlite.clock.now().date()
    lay_on = today + timedelta(days=(first_day.weekday() - today.weekday()) % 7)
    feed = await imported(
        on_sqlite,
        path.read_bytes(),
        piece=PIECE_BYTES,
        lay_on=lay_on.isoformat(),
        **{"from": first_day.isoformat(), "days": days},
    )
    assert feed.counts.departures == len(expand(path, first_day, days))
    sold = {departure.service_date async for departure in listed(on_sqlite)}
    assert sold == {(lay_on + timedelta(days=number)).isoformat() for number in range(days)}
