"""Imports the feeds that wait, one after the other, and takes an interrupted import up again."""

import asyncio
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import astuple, replace
from datetime import date, timedelta
from functools import partial
from pathlib import Path

from booking_svc.domain.feed_import import (
    WITHHELD_MAX,
    Feed,
    FeedChanges,
    FeedFares,
    FeedProblem,
    FeedProgress,
    FeedReport,
    FeedState,
)
from booking_svc.domain.timetable_diff import Timetable, Trip
from booking_svc.flows.lay_out_timetable import (
    apply_changes,
    days,
    in_steps,
    keep_on_sale,
    lay_out_added,
    singly,
)
from booking_svc.flows.read_feed import ReadFeed, read_feed
from booking_svc.queries.diff_feed_day import DayReport, diff_feed_day
from booking_svc.queries.read_feeds import feed_content, feeds_on_sale, unfinished_feeds
from booking_svc.queries.read_timetable import begin_timetable, read_timetable
from booking_svc.store.feeds import StagedTrip
from booking_svc.store.patterns import identified
from booking_svc.store.work import Work
from booking_svc.use_cases.receive_feed import drop_feed_content
from booking_svc.use_cases.settle_feed import extend_feed, settle_feed
from booking_svc.use_cases.stage_feed import (
    CALLS_A_STEP,
    ROWS_A_STEP,
    stage_patterns,
    stage_routes,
    stage_stops,
    stage_trips,
    unstage_trips,
)
from chassis.errors import Unavailable
from chassis.faults import fault_point
from chassis.ids import new_id
from chassis.lease import hold_lease
from chassis.lifecycle import every
from chassis.logs import EventLog
from chassis.store import Store

log = EventLog(__name__)

LEASE = "feeds"
RENEW_SECONDS = 1.5
LONGER_MAX = timedelta(days=366)


class Importer:
    """Works through the feeds that wait and keeps those on sale; of several processes on one database one does."""

    def __init__(self, store: Store[Work]) -> None:
        self._store = store
        # A SQLite file has one process at a time: after a restart it is still the holder.
        self._holder = "importer" if store.database.is_sqlite else new_id("imp")
        self._turn = asyncio.Lock()

    async def import_waiting(self) -> None:
        """Import what waits; a feed that fails half-way is taken up again with the next round."""
        await self._alone(self._import_waiting)

    async def keep_on_sale(self) -> None:
        """Put the days on sale that have come within the horizon, while no import changes what that is."""
        await self._alone(partial(keep_on_sale, self._store))

    async def _alone(self, act: Callable[[], Awaitable[None]]) -> None:
        """Act while nobody else does, here or in another process; do nothing where another process has the lease."""
        async with self._turn:
            if not await self._hold():
                return
            renewing = asyncio.ensure_future(every(RENEW_SECONDS, self._hold))
            try:
                await act()
            finally:
                renewing.cancel()

    async def _import_waiting(self) -> None:
        held_up: set[str] = set()
        for feed in await self._store.read(unfinished_feeds):
            if feed.options.operator_id not in held_up and not await self._try(feed):
                held_up.add(feed.options.operator_id)

    async def _hold(self) -> bool:
        return await self._store.write(hold_lease, name=LEASE, holder=self._holder)

    async def _try(self, feed: Feed) -> bool:
        try:
            if feed.state is FeedState.IMPORTING:
                feed, timetable = await self._bring_in(feed)
            else:
                timetable = await self._store.read(read_timetable, feed=feed)
            if feed.state is FeedState.FINISHING:
                await self._finish(feed, timetable)
            while await self._store.write(drop_feed_content, feed_id=feed.id):
                pass
        except Unavailable as failure:
            log.warning("import_waits", feed_id=feed.id, **failure.facts)
            return False
        except Exception:
            log.bug("import_failed", feed_id=feed.id)
            return False
        return True

    async def _bring_in(self, feed: Feed) -> tuple[Feed, Timetable]:
        """Read a feed, keep what it consists of and put down what is new; nothing of it is seen before the end."""
        await self._tell(feed, FeedReport(progress=FeedProgress("reading")))
        with tempfile.TemporaryDirectory() as folder:
            await self._write_content(feed, path := Path(folder) / "feed.zip")
            options = feed.options
            found = await read_feed(path, operator_id=options.operator_id, is_skipping_bad=options.is_skipping_bad)
        report = FeedReport(found.counts, problems=tuple(found.problems), problems_total=found.problems_total)
        log.info("feed_read", feed_id=feed.id, is_usable=found.is_usable, problems=found.problems_total)
        timetable = await asyncio.to_thread(
            timetable_of, feed, found, await self._store.read(begin_timetable, feed=feed)
        )
        if not found.is_usable:
            return await self._settle(feed, FeedState.REJECTED, report), timetable
        if not options.is_dry_run:
            await self._stage(feed, found, timetable, report)
        report = await self._lay_out(feed, timetable, report)
        fault_point("feed.before_publish")
        state = FeedState.PUBLISHED if options.is_dry_run else FeedState.FINISHING
        return await self._settle(feed, state, report, found.fares), timetable

    async def _write_content(self, feed: Feed, path: Path) -> None:
        """Bring a feed's zip from the database into a file, which a reader needs."""
        position = 0
        with path.open("wb") as file:
            while piece := await self._store.read(feed_content, feed_id=feed.id, position=position):
                await asyncio.to_thread(file.write, piece)
                position += 1

    async def _stage(self, feed: Feed, found: ReadFeed, timetable: Timetable, report: FeedReport) -> None:
        """Keep stops, routes, patterns, calendars and trips, in steps."""
        store, operator_id = self._store, feed.options.operator_id
        await self._tell(feed, replace(report, progress=FeedProgress("staging")))
        for stops in in_steps(list(found.stops.values()), singly, ROWS_A_STEP):
            await store.write(stage_stops, operator_id=operator_id, stops=stops)
        for routes in in_steps(list(found.routes.values()), singly, ROWS_A_STEP):
            await store.write(stage_routes, operator_id=operator_id, routes=routes)
        for patterns in in_steps(found.patterns, lambda one: len(one.calls) + len(one.shape) // 4, CALLS_A_STEP):
            await store.write(stage_patterns, patterns=patterns)
        while await store.write(unstage_trips, feed_id=feed.id):
            pass
        for services in in_steps(list(found.services.values()), singly, ROWS_A_STEP):
            await store.write(stage_trips, feed_id=feed.id, services=services)
        staged = [StagedTrip(one.trip, one.route.id, one.pattern.id) for one in timetable.trips]
        for trips in in_steps(staged, singly, ROWS_A_STEP):
            await store.write(stage_trips, feed_id=feed.id, trips=trips)
            fault_point("feed.staged_step")

    async def _lay_out(self, feed: Feed, timetable: Timetable, report: FeedReport) -> FeedReport:
        """Put down what is new, day by day, and count what differs."""
        last, window = feed.last_day(self._store.now().date()), await self._window(feed)
        for number, day in enumerate(window):
            await self._tell(feed, replace(report, progress=FeedProgress("laying_out", number, len(window))))
            found = await self._store.read(diff_feed_day, timetable=timetable, sold_on=day)
            if not feed.options.is_dry_run:
                await lay_out_added(self._store, found)
            report = counted(report, found, is_asked_for=day <= last)
        if not report.counts.departures:
            reason = f"No service runs from {feed.options.first_day} on for {feed.options.days} days of the feed."
            nothing = FeedProblem("calendar.txt", 0, "", reason, "warning")
            problems = (*report.problems, nothing)
            report = replace(report, problems=problems, problems_total=report.problems_total + 1)
        return report

    async def _window(self, feed: Feed) -> list[date]:
        """List the days to compare: those asked for, and those on which the feed before has put something on sale."""
        last = feed.last_day(self._store.now().date())
        on_sale = {one.options.operator_id: one.on_sale_until for one in await self._store.read(feeds_on_sale)}
        until = on_sale.get(feed.options.operator_id) or last
        return days(feed.first_day, max(last, min(until, last + LONGER_MAX)))

    async def _finish(self, feed: Feed, timetable: Timetable) -> None:
        """Apply what the feed changes of departures that were on sale before, and tell everybody."""
        withheld: list[str] = []
        window = await self._window(feed)
        for number, day in enumerate(window):
            await self._tell(feed, replace(feed.report, progress=FeedProgress("finishing", number, len(window))))
            found = await self._store.read(diff_feed_day, timetable=timetable, sold_on=day)
            await lay_out_added(self._store, found)  # midnight may have come since
            withheld += await apply_changes(self._store, found)
            fault_point("feed.finished_day")
        await self._store.write(extend_feed, feed_id=feed.id, until=window[-1])
        known = dict.fromkeys((*feed.report.withheld_departure_ids, *withheld))
        report = replace(feed.report, withheld_departure_ids=tuple(known)[:WITHHELD_MAX], progress=None)
        await self._settle(feed, FeedState.PUBLISHED, report)
        log.info("feed_published", feed_id=feed.id, departures=feed.report.counts.departures)

    async def _tell(self, feed: Feed, report: FeedReport) -> None:
        await self._settle(feed, feed.state, report)

    async def _settle(self, feed: Feed, state: FeedState, report: FeedReport, fares: FeedFares | None = None) -> Feed:
        return await self._store.write(settle_feed, feed_id=feed.id, state=state, report=report, fares=fares)


def counted(report: FeedReport, found: DayReport, *, is_asked_for: bool) -> FeedReport:
    """Add a day to a report; days that only the feed before has on sale count as changes, not as this feed's."""
    counts, diff = report.counts, found.diff
    totals = zip(astuple(report.changes), astuple(found.changes), strict=True)
    if is_asked_for:
        counts = replace(counts, departures=counts.departures + diff.departures, calls=counts.calls + diff.calls)
    return replace(
        report,
        counts=counts,
        changes=FeedChanges(*(before + more for before, more in totals)),
        withheld_departure_ids=(*report.withheld_departure_ids, *found.withheld_ids)[:WITHHELD_MAX],
    )


def timetable_of(feed: Feed, found: ReadFeed, begun: Timetable) -> Timetable:
    """Give patterns their ids and join trips with them."""
    found.patterns[:] = [identified(pattern.calls, pattern.shape) for pattern in found.patterns]
    trips = tuple(
        Trip(trip, found.routes[trip.feed_route_id], found.patterns[trip.pattern]) for trip in found.trips
    )  # fmt: skip
    return replace(begun, services=found.services, trips=trips)
