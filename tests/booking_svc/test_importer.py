"""An import that is broken off anywhere is taken up again, and nothing of it is seen before its end."""

from collections import Counter
from collections.abc import AsyncIterator
from datetime import date, timedelta
from pathlib import Path

import pytest

from booking_svc.domain.departure import Departure
from booking_svc.domain.feed_import import Feed, FeedChanges, FeedOptions, FeedState
from booking_svc.flows.import_feed import import_feed
from booking_svc.flows.importer import LEASE, Importer
from booking_svc.queries.list_departures import list_departures
from booking_svc.store.departures import DEPARTURES, Filter
from booking_svc.store.feeds import CONTENTS, TRIPS
from booking_svc.store.work import Work
from booking_svc.translate_feed import feed_out
from booking_svc.use_cases.tidy import tidy
from chassis import faults
from chassis.errors import NotFound
from chassis.lease import LEASE_SECONDS, hold_lease
from chassis.replies import Once
from chassis.store import Store
from tests.booking_svc.builders import ADMIN, OPERATOR, ask, commit, events, hold, rows
from tests.booking_svc.small_feed import Run, SmallFeed, small_feed
from tests.clocks import FixedClock

MONDAY = date(2030, 1, 7)
POINTS = ("feed.staged_step", "feed.laid_out_step", "feed.before_publish", "feed.finished_day")


@pytest.fixture
def importer(store: Store[Work]) -> Importer:
    """The importer of a process whose loops do not run; the store writes."""
    store.start()
    return Importer(store)


async def receive(
    store: Store[Work], feed: SmallFeed, *, key: str = "k", first_day: date = MONDAY, days: int = 7
) -> Feed:
    """Take a feed's content in; nobody imports it yet."""

    async def pieces() -> AsyncIterator[bytes]:
        yield feed.zip()

    def once(digest: bytes) -> Once:
        return Once.of(subject="s", operation="import", key=key, body=digest)

    options = FeedOptions(OPERATOR, first_day, days, None, is_skipping_bad=False, is_dry_run=False, layout_ids={})
    await import_feed(store, caller=ADMIN, options=options, pieces=pieces(), key=once, answer=feed_out)
    return ask(store, lambda work: work.feeds.unfinished()[-1])


def listed(store: Store[Work]) -> list[Departure]:
    found: list[Departure] = ask(store, list_departures, wanted=Filter(), cursor="", limit=1000)
    return found


def read(store: Store[Work], feed: Feed) -> Feed:
    found: Feed = ask(store, lambda work: work.feeds.get(feed.id))
    return found


def break_at(monkeypatch: pytest.MonkeyPatch, folder: Path, point: str, nth: int = 1) -> None:
    faults._passed.clear()
    monkeypatch.setenv("HEADWAY_FAULTS", f"{point}:fail:{nth}")
    monkeypatch.setenv("HEADWAY_FAULTS_DIR", str(folder))


@pytest.mark.parametrize("point", POINTS)
async def test_an_import_goes_on_where_it_was_broken_off(
    store: Store[Work], importer: Importer, point: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    await receive(store, small_feed(), key="first")
    await importer.import_waiting()
    feed = await receive(store, small_feed(t1=Run("08:05"), t2=Run("09:00"), t4=Run("12:00")), key="second")
    break_at(monkeypatch, tmp_path, point)
    await importer.import_waiting()
    assert read(store, feed).state in (FeedState.IMPORTING, FeedState.FINISHING)
    await importer.import_waiting()
    settled = read(store, feed)
    assert (settled.state, settled.report.changes) == (FeedState.PUBLISHED, FeedChanges(7, 7, 7, 7))
    assert (settled.report.progress, settled.on_sale_until) == (None, MONDAY + timedelta(days=6))
    facts = Counter(event.type.rpartition(".")[2] for event in events(store, "DEPARTURE"))
    assert facts == {"DeparturePublished": 28, "DepartureChanged": 7, "DepartureCancelled": 7}
    assert len(events(store, "FEED")) == 2
    assert len([one for one in listed(store) if one.is_running]) == 21


async def test_nothing_new_is_seen_or_held_before_all_of_it_is_there(
    store: Store[Work], importer: Importer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    feed = await receive(store, small_feed())
    break_at(monkeypatch, tmp_path, "feed.before_publish")
    await importer.import_waiting()
    laid = rows(store, DEPARTURES)
    assert (len(laid), listed(store)) == (21, [])
    with pytest.raises(NotFound):
        commit(store, lambda work: work.departures.lock([laid[0].id]))
    await importer.import_waiting()
    assert len(listed(store)) == 21
    assert read(store, feed).report.changes == FeedChanges(21, 0, 0, 0)


async def test_feeds_of_an_operator_are_imported_in_the_order_they_came(
    store: Store[Work], importer: Importer, clock: FixedClock
) -> None:
    await receive(store, small_feed(t1=Run("08:00")), key="first")
    clock.advance(1)
    await receive(store, small_feed(t1=Run("08:30")), key="second")
    await importer.import_waiting()
    assert {one.starts_at.strftime("%H:%M") for one in listed(store)} == {"08:30"}


async def test_the_days_on_sale_move_on_with_time(store: Store[Work], importer: Importer, clock: FixedClock) -> None:
    feed = await receive(store, small_feed(), first_day=clock.now().date())
    await importer.import_waiting()
    last = read(store, feed).on_sale_until
    assert last == clock.now().date() + timedelta(days=6)
    await importer.keep_on_sale()
    assert len(listed(store)) == 21
    clock.advance(2 * 86_400)
    await importer.keep_on_sale()
    await importer.keep_on_sale()
    assert read(store, feed).on_sale_until == last + timedelta(days=2)
    assert len(listed(store)) == 27
    assert {one.service_date for one in listed(store)} == {last + timedelta(days=n) for n in range(-6, 3)}
    departure = max(listed(store), key=lambda one: one.starts_at)
    assert hold(store, (departure, 0, 3)).items[0].seat_id


async def test_of_several_processes_one_moves_the_days_on_sale_on(
    store: Store[Work], importer: Importer, clock: FixedClock
) -> None:
    feed = await receive(store, small_feed(), first_day=clock.now().date())
    await importer.import_waiting()
    last = read(store, feed).on_sale_until
    clock.advance(86_400)
    commit(store, hold_lease, name=LEASE, holder="another process")
    await importer.keep_on_sale()
    assert read(store, feed).on_sale_until == last
    clock.advance(LEASE_SECONDS)
    await importer.keep_on_sale()
    assert read(store, feed).on_sale_until == last + timedelta(days=1)


async def test_a_window_that_was_past_when_it_came_stays(
    store: Store[Work], importer: Importer, clock: FixedClock
) -> None:
    early = clock.now().date() - timedelta(days=400)
    feed = small_feed()
    texts = {"calendar.txt": feed.texts()["calendar.txt"].replace("20300101", "20200101")}
    received = await receive(store, SmallFeed(feed.runs, files=texts), first_day=early)
    await importer.import_waiting()
    clock.advance(10 * 86_400)
    await importer.keep_on_sale()
    assert read(store, received).on_sale_until == early + timedelta(days=6)
    assert {one.service_date for one in listed(store)} == {early + timedelta(days=n) for n in range(7)}


async def test_what_nobody_needs_any_more_is_forgotten(
    store: Store[Work], importer: Importer, clock: FixedClock
) -> None:
    await receive(store, small_feed(), key="first")
    await importer.import_waiting()
    clock.advance(1)
    await receive(store, small_feed(t9=Run()), key="second")
    await importer.import_waiting()
    assert rows(store, CONTENTS) == []
    while commit(store, tidy):
        pass
    assert {row.feed_trip_id for row in rows(store, TRIPS)} == {"t9"}


async def test_a_shorter_window_brings_the_days_in_line_that_are_on_sale_already(
    store: Store[Work], importer: Importer, clock: FixedClock
) -> None:
    await receive(store, small_feed(), key="first")
    await importer.import_waiting()
    clock.advance(1)
    feed = await receive(store, small_feed(t1=Run("08:05")), key="second", days=2)
    await importer.import_waiting()
    settled = read(store, feed)
    assert settled.report.counts.departures == 2
    assert settled.report.changes == FeedChanges(0, 7, 14, 0)
    assert settled.on_sale_until == MONDAY + timedelta(days=6)
    assert {one.starts_at.strftime("%H:%M") for one in listed(store) if one.is_running} == {"08:05"}


async def test_a_window_without_a_run_is_told(store: Store[Work], importer: Importer) -> None:
    feed = await receive(store, small_feed(), first_day=date(2032, 1, 5))
    await importer.import_waiting()
    settled = read(store, feed)
    assert settled.state is FeedState.PUBLISHED
    assert [(one.file, one.severity) for one in settled.report.problems] == [("calendar.txt", "warning")]


async def test_what_has_left_with_riders_is_not_re_timed(
    store: Store[Work], importer: Importer, clock: FixedClock
) -> None:
    await receive(store, small_feed(), key="first", first_day=clock.now().date())
    await importer.import_waiting()
    booked = next(one for one in listed(store) if one.starts_at > clock.now())
    hold(store, (booked, 0, 3))
    clock.advance((booked.starts_at - clock.now()).total_seconds() + 60)
    later = {name: Run("20:00", run.stops) for name, run in small_feed().runs.items()}
    feed = await receive(store, small_feed(**later), key="second", first_day=clock.now().date())
    await importer.import_waiting()
    assert booked.id in read(store, feed).report.withheld_departure_ids
    assert next(one for one in listed(store) if one.id == booked.id).starts_at == booked.starts_at
