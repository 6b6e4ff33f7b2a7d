"""On which days the sample network's services run, from 2025 to 2035."""

from collections.abc import Iterator
from datetime import date, timedelta

FIRST_DAY, LAST_DAY = date(2025, 1, 1), date(2035, 12, 31)
WEEK = {
    "daily": "1111111",
    "weekdays": "1111100",
    "weekend": "0000011",
    "friday-saturday": "0000110",
    "winter": "1111111",
}
"""Monday first; the other services consist of single days."""
ADDED, REMOVED = 1, 2


def every_day() -> Iterator[date]:
    day = FIRST_DAY
    while day <= LAST_DAY:
        yield day
        day += timedelta(days=1)


def easter(year: int) -> date:
    """Return Easter Sunday by the anonymous Gregorian computus (Nature, 20 April 1876)."""
    century, rest = divmod(year, 100)
    leap, left = divmod(century, 4)
    shift = (century - (century + 8) // 25 + 1) // 3
    moon = (19 * (year % 19) + century - leap - shift + 15) % 30
    sunday = (32 + 2 * left + 2 * (rest // 4) - moon - rest % 4) % 7
    late = (year % 19 + 11 * moon + 22 * sunday) // 451
    month, day = divmod(moon + sunday - 7 * late + 114, 31)
    return date(year, month, day + 1)


def holidays(year: int) -> set[date]:
    """Return the public holidays that Hamburg, Schleswig-Holstein and Mecklenburg-Vorpommern share."""
    moving = {easter(year) + timedelta(days=days) for days in (-2, 1, 39, 50)}
    return moving | {date(year, *day) for day in ((1, 1), (5, 1), (10, 3), (10, 31), (12, 25), (12, 26))}


def is_summer(day: date) -> bool:
    return 4 <= day.month <= 10


def is_hanse_sail(day: date) -> bool:
    """Tell whether it is the Thursday to Saturday before the second Sunday of August."""
    sunday = day + timedelta(days=6 - day.weekday())
    return day.weekday() in (3, 4, 5) and sunday.month == 8 and 8 <= sunday.day <= 14


def exceptions() -> Iterator[tuple[str, date, int]]:
    """Yield what differs from the weeks: holidays are like Sundays, and seasons are lists of days."""
    for day in every_day():
        if day in holidays(day.year) and day.weekday() < 5:
            yield "weekdays", day, REMOVED
            yield "weekend", day, ADDED
        if is_summer(day):
            yield "summer", day, ADDED
            yield "winter", day, REMOVED
            if day.weekday() >= 4:
                yield "summer-weekend", day, ADDED
        if is_hanse_sail(day):
            yield "hanse-sail", day, ADDED
