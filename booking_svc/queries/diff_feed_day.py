"""Compare a service date of a feed with what is on sale."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from booking_svc.domain.feed_import import FeedChanges
from booking_svc.domain.timetable_diff import DayDiff, Timetable, diff_day
from booking_svc.store.work import Work

IDS_A_READ = 500


@dataclass(frozen=True, slots=True)
class DayReport:
    """A day's differences, and which departures cannot follow them because they are booked."""

    diff: DayDiff
    withheld_ids: tuple[str, ...]

    @property
    def changes(self) -> FeedChanges:
        found = self.diff
        added = len(found.added) + found.laid_before
        return FeedChanges(added, len(found.changed), len(found.withdrawn_ids), found.unchanged)


def diff_feed_day(work: Work, *, timetable: Timetable, sold_on: date) -> DayReport:
    """Tell what a feed changes on one day; nothing is written."""
    laid = work.departures.of_day(timetable.options.operator_id, sold_on)
    diff = diff_day(timetable, sold_on, laid)
    ways = {one.id: one.pattern_id for one in laid}
    patterns = work.patterns.calls_of({ways[one.id] for one in diff.changed})
    gone = {one.id for one in laid if one.starts_at <= work.now}
    moved = [
        one.id for one in diff.changed if one.id in gone or patterns[ways[one.id]].stop_ids != one.pattern.stop_ids
    ]
    withheld = [
        *(id_ for part in in_parts(diff.withdrawn_ids) for id_ in work.bookings.booked(part)),
        *(id_ for part in in_parts(moved) for id_ in work.bookings.booked(part, ever=True)),
    ]
    return DayReport(diff, tuple(sorted(withheld)))


def in_parts(ids: Sequence[str]) -> list[Sequence[str]]:
    """Cut ids into as many as one statement may name."""
    return [ids[start : start + IDS_A_READ] for start in range(0, len(ids), IDS_A_READ)]
