from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from grpc import StatusCode
from headway.booking.v1 import feeds_pb2
from headway.booking.v1 import timetable_service_pb2 as pb
from headway.types.v1 import timetable_pb2

from booking_svc.store.feeds import CONTENTS, TRIPS
from tests.booking_svc.builders import FOREIGN_STAFF, OPERATOR, RIDER, events, rows, until
from tests.booking_svc.service import Booking, refusal
from tests.booking_svc.small_feed import Run, SmallFeed, imported, send, settled, small_feed

PUBLISHED, REJECTED = feeds_pb2.FEED_STATE_PUBLISHED, feeds_pb2.FEED_STATE_REJECTED
SCHEDULED, CANCELLED = timetable_pb2.DEPARTURE_STATE_SCHEDULED, timetable_pb2.DEPARTURE_STATE_CANCELLED


async def on_sale(booking: Booking, **wanted: Any) -> dict[tuple[str, str], Any]:
    """Read what is listed, by trip and service date."""
    found = booking.timetable.ListDepartures(pb.ListDeparturesRequest(operator_id=OPERATOR, **wanted))
    return {(reply.departure.feed_trip_id, reply.departure.service_date): reply.departure async for reply in found}


def changes(feed: Any) -> tuple[int, int, int, int]:
    return feed.changes.added, feed.changes.changed, feed.changes.withdrawn, feed.changes.unchanged


async def test_every_run_of_the_window_is_on_sale_with_its_times(booking: Booking) -> None:
    feed = await imported(booking, small_feed(t1=Run(), t2=Run("25:10", service="workdays")))
    assert (feed.state, feed.problems_total) == (PUBLISHED, 0)
    assert (feed.counts.stops, feed.counts.routes, feed.counts.departures, feed.counts.calls) == (6, 1, 12, 48)
    assert changes(feed) == (12, 0, 0, 0)
    found = await on_sale(booking)
    assert Counter(trip for trip, _ in found) == {"t1": 7, "t2": 5}
    night = found["t2", "2030-01-07"]
    assert night.starts_at.ToDatetime() == datetime(2030, 1, 8, 1, 10)  # noqa: DTZ001 - as protobuf gives it
    assert [call.stop.name for call in night.calls] == ["Pier 0", "Pier 1", "Pier 2", "Pier 3"]
    assert (night.capacity, night.headsign, night.route.short_name) == (50, "Far shore", "F1")


async def test_a_departure_of_a_feed_can_be_held(booking: Booking) -> None:
    await imported(booking, small_feed())
    departure = (await on_sale(booking))["t1", "2030-01-08"]
    held = await booking.hold((departure, 1, 3))
    assert held.legs[0].origin.stop_name == "Pier 1"


async def test_the_same_feed_again_changes_nothing_and_tells_nothing(booking: Booking) -> None:
    await imported(booking, small_feed())
    before, told = await on_sale(booking), len(events(booking.store, "DEPARTURE"))
    feed = await imported(booking, small_feed())
    assert changes(feed) == (0, 0, 0, 21)
    assert await on_sale(booking) == before
    assert len(events(booking.store, "DEPARTURE")) == told


async def test_a_changed_feed_is_a_diff(booking: Booking) -> None:
    await imported(booking, small_feed())
    before = await on_sale(booking)
    feed = await imported(booking, small_feed(t1=Run("08:05"), t2=Run("09:00"), t4=Run("12:00")))
    assert changes(feed) == (7, 7, 7, 7)
    after = await on_sale(booking)
    day = "2030-01-09"
    early, late = before["t1", day], after["t1", day]
    assert (late.id, late.version) == (early.id, early.version + 1)
    assert late.starts_at.ToDatetime() - early.starts_at.ToDatetime() == timedelta(minutes=5)
    assert after["t2", day] == before["t2", day]
    assert after["t3", day].state == CANCELLED
    facts = Counter(event.type.rpartition(".")[2] for event in events(booking.store, "DEPARTURE"))
    assert facts == {"DeparturePublished": 28, "DepartureChanged": 7, "DepartureCancelled": 7}


async def test_what_comes_back_runs_again_under_its_id(booking: Booking) -> None:
    whole = small_feed()
    await imported(booking, whole)
    before = await on_sale(booking)
    await imported(booking, small_feed(t1=Run()))
    feed = await imported(booking, whole)
    assert changes(feed) == (0, 14, 0, 7)
    after = await on_sale(booking)
    assert {key: found.id for key, found in after.items()} == {key: found.id for key, found in before.items()}
    assert {found.state for found in after.values()} == {SCHEDULED}


async def test_a_booked_departure_is_re_timed_with_its_booking(booking: Booking) -> None:
    await imported(booking, small_feed())
    held = await booking.hold(((await on_sale(booking))["t1", "2030-01-08"], 0, 3))
    await imported(booking, small_feed(t1=Run("08:30"), t2=Run("09:00"), t3=Run("10:00", "3210")))
    leg = (await booking.get(held.id)).legs[0]
    assert leg.origin.scheduled_at.ToDatetime() == datetime(2030, 1, 8, 8, 30)  # noqa: DTZ001


async def test_booked_departures_are_neither_withdrawn_nor_sent_elsewhere_but_listed(booking: Booking) -> None:
    await imported(booking, small_feed())
    found = await on_sale(booking)
    gone, moved = found["t3", "2030-01-08"], found["t2", "2030-01-08"]
    kept = [await booking.hold((one, 0, 3)) for one in (gone, moved)]
    feed = await imported(booking, small_feed(t1=Run(), t2=Run("09:00", "0145")))
    assert changes(feed) == (0, 7, 7, 7)
    assert sorted(feed.withheld_departure_ids) == sorted([gone.id, moved.id])
    after = await on_sale(booking)
    assert after["t3", "2030-01-08"] == gone
    assert after["t2", "2030-01-08"] == moved
    assert after["t3", "2030-01-09"].state == CANCELLED
    assert [call.stop.name for call in after["t2", "2030-01-09"].calls] == ["Pier 0", "Pier 1", "Pier 4", "Pier 5"]
    for one in kept:
        assert (await booking.get(one.id)).items[0].seat_id


async def test_a_departure_that_calls_elsewhere_now_sells_all_its_seats_there(booking: Booking) -> None:
    await imported(booking, small_feed())
    await imported(booking, small_feed(t1=Run("08:00", "014325")))
    departure = (await on_sale(booking))["t1", "2030-01-08"]
    held = await booking.hold((departure, 4, 5))
    request = pb.SearchItinerariesRequest(
        origin_stop_id=departure.calls[3].stop.id, destination_stop_id=departure.calls[5].stop.id, date="2030-01-08"
    )
    found = await booking.timetable.SearchItineraries(request)
    assert [one.seats_available for one in found.itineraries] == [49]
    assert held.items[0].seat_id


async def test_a_dry_run_tells_and_writes_nothing(booking: Booking) -> None:
    await imported(booking, small_feed())
    before, told = await on_sale(booking), len(events(booking.store))
    feed = await imported(booking, small_feed(t1=Run("08:05")), is_dry_run=True)
    assert (feed.state, changes(feed)) == (PUBLISHED, (0, 7, 14, 0))
    assert await on_sale(booking) == before
    assert len(events(booking.store)) == told
    assert changes(await imported(booking, small_feed())) == (0, 0, 0, 21)


async def test_days_are_sold_on_later_ones(booking: Booking) -> None:
    feed = await imported(booking, small_feed(), lay_on="2030-01-14")
    assert feed.state == PUBLISHED
    assert {day for _, day in await on_sale(booking)} == {f"2030-01-{day}" for day in range(14, 21)}
    refused = await refusal(send(booking, small_feed().zip(), lay_on="2030-01-15"))
    assert (refused.code, refused.errors[0].pointer) == (StatusCode.INVALID_ARGUMENT, "/lay_on")


async def test_a_renamed_stop_is_renamed_on_every_departure(booking: Booking) -> None:
    await imported(booking, small_feed())
    feed = await imported(booking, replace(small_feed(), names={"s0": "Ponta Nova"}))
    assert changes(feed) == (0, 21, 0, 0)
    assert (await on_sale(booking))["t1", "2030-01-08"].calls[0].stop.name == "Ponta Nova"
    listed = await booking.timetable.ListStops(pb.ListStopsRequest(query="ponta"))
    assert [one.stop.feed_stop_id for one in listed.stops] == ["s0"]


FAULTS: dict[str, tuple[dict[str, str | None], str]] = {
    "no trips": ({"trips.txt": None}, "trips.txt"),
    "a route that is not there": (
        {"trips.txt": "route_id,service_id,trip_id\nr9,daily,t1\nr1,daily,t2\nr1,daily,t3\n"}, "trips.txt"
    ),
    "a time that goes back": (
        {
            "stop_times.txt": "trip_id,arrival_time,departure_time,stop_id,stop_sequence\n"
            "t1,08:00:00,08:00:00,s0,1\nt1,07:00:00,07:00:00,s1,2\nt2,08:00:00,08:00:00,s0,1\nt2,09:00:00,09:00:00,s1,2\n"
        },
        "stop_times.txt",
    ),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_faulty_feed_is_rejected_whole_and_says_where(booking: Booking, fault: str) -> None:
    files, file = FAULTS[fault]
    feed = await imported(booking, replace(small_feed(), files=files))
    assert feed.state == REJECTED
    problem = next(one for one in feed.problems if one.severity == "error")
    assert (problem.file, bool(problem.reason)) == (file, True)
    assert await on_sale(booking) == {}
    assert events(booking.store) == []
    assert not (await booking.timetable.ListStops(pb.ListStopsRequest())).stops
    await until(lambda: not rows(booking.store, CONTENTS))


async def test_the_rest_of_a_faulty_feed_can_be_taken(booking: Booking) -> None:
    files, _ = FAULTS["a time that goes back"]
    feed = await imported(booking, replace(small_feed(), files=files), is_skipping_bad=True)
    assert (feed.state, feed.problems_total > 0) == (PUBLISHED, True)
    assert {trip for trip, _ in await on_sale(booking)} == {"t2"}


async def test_what_is_no_zip_is_refused_at_once(booking: Booking) -> None:
    refused = await refusal(send(booking, b"this is not a zip"))
    assert (refused.code, refused.reason) == (StatusCode.INVALID_ARGUMENT, "FEED_REJECTED")
    refused = await refusal(send(booking, b""))
    assert refused.reason == "FEED_REJECTED"


async def test_a_zip_that_is_cut_off_is_rejected(booking: Booking) -> None:
    whole = small_feed().zip()
    feed = await imported(booking, whole[: len(whole) // 2])
    assert (feed.state, bool(feed.problems)) == (REJECTED, True)


async def test_a_repeat_with_the_same_key_is_the_same_feed(booking: Booking) -> None:
    content = small_feed().zip()
    first = await send(booking, content, key="k1")
    again = await send(booking, content, key="k1")
    assert again == first
    await settled(booking, first.id)
    assert await send(booking, content, key="k1") == first
    assert len(await on_sale(booking)) == 21
    refused = await refusal(send(booking, small_feed(t1=Run()).zip(), key="k1"))
    assert refused.reason == "IDEMPOTENCY_KEY_REUSED"
    refused = await refusal(send(booking, content, key="k1", days=8))
    assert refused.reason == "IDEMPOTENCY_KEY_REUSED"
    assert (await settled(booking, first.id)).state == PUBLISHED


async def test_only_staff_of_the_operator_import_and_see_its_feeds(booking: Booking) -> None:
    content = small_feed().zip()
    assert (await refusal(send(booking, content, caller=RIDER))).code == StatusCode.PERMISSION_DENIED
    assert (await refusal(send(booking, content, caller=FOREIGN_STAFF))).code == StatusCode.PERMISSION_DENIED
    feed = await send(booking, content)
    request = pb.GetFeedRequest(feed_id=feed.id)
    refused = await refusal(booking.timetable.GetFeed(request, metadata=booking.metadata(FOREIGN_STAFF)))
    assert refused.code == StatusCode.NOT_FOUND


async def test_a_route_gets_the_layout_that_was_named_for_it(booking: Booking) -> None:
    deck = await booking.layout(["P1", "P2", "P3"])
    await imported(booking, small_feed(), layout_ids={"r1": deck.id})
    departure = (await on_sale(booking))["t1", "2030-01-08"]
    assert (departure.layout_id, departure.capacity) == (deck.id, 3)
    refused = await refusal(send(booking, small_feed().zip(), layout_ids={"r1": "lay_none"}))
    assert refused.code == StatusCode.NOT_FOUND


async def test_what_is_left_of_feeds_is_tidied_away(booking: Booking) -> None:
    await imported(booking, small_feed())
    await imported(booking, small_feed(t1=Run()))
    await until(lambda: not rows(booking.store, CONTENTS))
    assert {row.feed_trip_id for row in rows(booking.store, TRIPS)} >= {"t1"}


def test_a_small_feed_says_what_it_is_told() -> None:
    assert SmallFeed({"t": Run("08:05", "01")}).stop_times() == ["t,08:05:00,08:05:00,s0,1", "t,08:15:00,08:15:00,s1,2"]
