"""The services of a feed: on which days its trips run."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date

from booking_svc.domain.feed import ServiceCalendar
from booking_svc.gtfs.archive import Archive
from booking_svc.gtfs.problems import BadValue, shown
from booking_svc.gtfs.rows import Row, visit
from booking_svc.gtfs.tables import CALENDAR, CALENDAR_DATES, WEEKDAYS
from booking_svc.gtfs.values import day, identifier, whole

ADDED, REMOVED = 1, 2


@dataclass(slots=True)
class Service:
    """A service while it is being read; exceptions alone make one, too."""

    weekdays: tuple[bool, ...] = (False,) * 7
    dates: tuple[date, date] | None = None
    exceptions: dict[date, bool] = field(default_factory=dict)
    # One wrong row and the days are not known; then nothing may be sold on any.
    is_broken: bool = False


def read_calendars(archive: Archive) -> dict[str, ServiceCalendar]:
    """Read weekdays and exceptions; a service with anything wrong is left out as a whole."""
    services: dict[str, Service] = {}

    def taking(fill: Callable[[Service, list[str]], None]) -> Callable[[Row, list[str]], None]:
        def take(_: Row, cells: list[str]) -> None:
            service = services.setdefault(identifier("service_id", cells[0]), Service())
            is_broken, service.is_broken = service.is_broken, True
            fill(service, cells)
            service.is_broken = is_broken

        return take

    visit(archive, CALENDAR, taking(fill_week))
    visit(archive, CALENDAR_DATES, taking(fill_exception))
    return {
        service_id: calendar_of(service_id, service)
        for service_id, service in services.items()
        if not service.is_broken
    }


def fill_week(service: Service, cells: list[str]) -> None:
    """Take a row of calendar.txt."""
    if service.dates:
        raise BadValue("service_id", "Stands twice: give each service one row and use calendar_dates.txt besides.")
    _, *days, start, end = cells
    service.weekdays = tuple(whole(name, text, most=1) == 1 for name, text in zip(WEEKDAYS, days, strict=True))
    service.dates = day("start_date", start), day("end_date", end)
    if service.dates[1] < service.dates[0]:
        raise BadValue("end_date", f"{shown(end)} is before the start date: exchange or mend them.")


def fill_exception(service: Service, cells: list[str]) -> None:
    """Take a row of calendar_dates.txt."""
    _, text, kind = cells
    found = day("date", text)
    if found in service.exceptions:
        raise BadValue("date", f"Has two exceptions on {shown(text)}: leave one of them.")
    service.exceptions[found] = whole("exception_type", kind, least=ADDED, most=REMOVED) == ADDED


def calendar_of(service_id: str, service: Service) -> ServiceCalendar:
    start, end = service.dates or (min(service.exceptions), max(service.exceptions))
    return ServiceCalendar(
        service_id,
        service.weekdays,
        start,
        end,
        frozenset(day for day, is_added in service.exceptions.items() if is_added),
        frozenset(day for day, is_added in service.exceptions.items() if not is_added),
    )
