"""The services of a feed: on which days its trips run."""

from collections import defaultdict
from datetime import date

from booking_svc.domain.feed import ServiceCalendar
from booking_svc.gtfs.archive import Archive
from booking_svc.gtfs.problems import BadValue, Row, shown
from booking_svc.gtfs.rows import visit
from booking_svc.gtfs.tables import CALENDAR, CALENDAR_DATES, WEEKDAYS
from booking_svc.gtfs.values import day, identifier, whole

ADDED, REMOVED = 1, 2

Week = tuple[tuple[bool, ...], date, date]
"""Weekdays, Monday first, and the first and the last day."""


def read_calendars(archive: Archive) -> dict[str, ServiceCalendar]:
    """Read weekdays and exceptions; with one wrong row the days are not known, and the service is left out."""
    weeks: dict[str, Week] = {}
    exceptions: dict[str, dict[date, bool]] = defaultdict(dict)

    def take_week(_: Row, cells: list[str]) -> None:
        weeks[cells[0]] = week_of(cells)

    def take_exception(_: Row, cells: list[str]) -> None:
        service_id, text, kind = cells
        dates, found = exceptions[identifier("service_id", service_id)], day("date", text)
        is_added = whole("exception_type", kind, least=ADDED, most=REMOVED) == ADDED
        if dates.setdefault(found, is_added) != is_added:
            raise BadValue("exception_type", f"Contradicts another exception on {shown(text)}: leave one of them.")

    wrong = visit(archive, CALENDAR, take_week) | visit(archive, CALENDAR_DATES, take_exception)
    return {
        service_id: calendar_of(service_id, weeks.get(service_id), exceptions[service_id])
        for service_id in {**weeks, **exceptions}
        if service_id not in wrong
    }


def week_of(cells: list[str]) -> Week:
    """Read a row of calendar.txt."""
    _, *days, start, end = cells
    weekdays = tuple(whole(name, text, most=1) == 1 for name, text in zip(WEEKDAYS.split(), days, strict=True))
    week = weekdays, day("start_date", start), day("end_date", end)
    if week[2] < week[1]:
        raise BadValue("end_date", f"{shown(end)} is before the start date: exchange or mend them.")
    return week


def calendar_of(service_id: str, week: Week | None, exceptions: dict[date, bool]) -> ServiceCalendar:
    """Join weekdays and exceptions; exceptions alone make a service, too."""
    weekdays, start, end = week or ((False,) * 7, min(exceptions), max(exceptions))
    added = frozenset(found for found, is_added in exceptions.items() if is_added)
    return ServiceCalendar(service_id, weekdays, start, end, added, frozenset(exceptions) - added)
