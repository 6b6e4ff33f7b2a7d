"""Bring the days on sale in line with a feed, in steps that keep no rider waiting."""

from collections.abc import Callable, Iterator, Sequence
from datetime import date, timedelta
from typing import TypeVar

from booking_svc.queries.diff_feed_day import DayReport, diff_feed_day
from booking_svc.queries.read_feeds import feeds_on_sale
from booking_svc.queries.read_timetable import read_timetable
from booking_svc.store.work import Work
from booking_svc.use_cases.lay_out_feed import (
    ADDED_A_STEP,
    CHANGED_A_STEP,
    lay_out_departures,
    retime_departures,
    withdraw_departures,
)
from booking_svc.use_cases.settle_feed import extend_feed
from chassis.faults import fault_point
from chassis.store import Store

T = TypeVar("T")


def days(first: date, last: date) -> list[date]:
    return [first + timedelta(days=number) for number in range((last - first).days + 1)]


def in_steps(items: Sequence[T], size: Callable[[T], int], most: int) -> Iterator[list[T]]:
    """Cut items into steps of bounded size; an item larger than that is a step of its own."""
    step: list[T] = []
    filled = 0
    for item in items:
        if step and filled + size(item) > most:
            yield step
            step, filled = [], 0
        step.append(item)
        filled += size(item)
    if step:
        yield step


def singly(_item: object) -> int:
    return 1


async def lay_out_added(store: Store[Work], report: DayReport) -> None:
    """Put down what is new on a day."""
    for step in in_steps(report.diff.added, singly, ADDED_A_STEP):
        await store.write(lay_out_departures, departures=step)
        fault_point("feed.laid_out_step")


async def apply_changes(store: Store[Work], report: DayReport) -> list[str]:
    """Re-time and withdraw what was on sale on a day before; return what cannot, for it is booked."""
    withheld = []
    for step in in_steps(report.diff.changed, singly, CHANGED_A_STEP):
        withheld += await store.write(retime_departures, departures=step)
    for ids in in_steps(report.diff.withdrawn_ids, singly, CHANGED_A_STEP):
        withheld += await store.write(withdraw_departures, departure_ids=ids)
    return withheld


async def keep_on_sale(store: Store[Work]) -> None:
    """Put the days on sale that have come within the horizon of each operator's feed."""
    for feed in await store.read(feeds_on_sale):
        wanted = feed.last_day(store.now().date())
        if feed.on_sale_until is None or feed.on_sale_until >= wanted:
            continue
        timetable = await store.read(read_timetable, feed=feed)
        for day in days(feed.on_sale_until + timedelta(days=1), wanted):
            report = await store.read(diff_feed_day, timetable=timetable, sold_on=day)
            await lay_out_added(store, report)
            withheld = await apply_changes(store, report)
            await store.write(extend_feed, feed_id=feed.id, until=day, withheld=withheld)
