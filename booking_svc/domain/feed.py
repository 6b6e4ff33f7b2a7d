"""What a timetable feed says of days and runs, in the words of GTFS."""

from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True, slots=True)
class ServiceCalendar:
    """The days on which a service runs: weekdays between two dates, and exceptions."""

    service_id: str
    weekdays: tuple[bool, ...]
    """Seven, Monday first."""
    start_date: date
    end_date: date
    added: frozenset[date] = frozenset()
    removed: frozenset[date] = frozenset()

    def runs_on(self, day: date) -> bool:
        """Tell whether it runs on a service day; an exception is right wherever it lies."""
        if day in self.added or day in self.removed:
            return day in self.added
        return self.start_date <= day <= self.end_date and self.weekdays[day.weekday()]


@dataclass(frozen=True, slots=True)
class Frequency:
    """A part of the service day, its end excluded, in which a trip runs again and again."""

    start_seconds: int
    end_seconds: int
    headway_seconds: int

    def starts(self) -> range:
        """Return when each run starts, in seconds after the zero of the service day."""
        return range(self.start_seconds, self.end_seconds, self.headway_seconds)


@dataclass(frozen=True, slots=True)
class FeedTrip:
    """A trip of a feed: a pattern that starts once on each day of its service, or as its frequencies say."""

    feed_trip_id: str
    feed_route_id: str
    service_id: str
    headsign: str
    timezone: str
    """The zone whose noon minus twelve hours is the zero of the service day: that of the route's agency."""
    pattern: int
    """The number of the calls that it makes."""
    start_seconds: int
    """When it departs from its first call; what the frequencies say stands above it."""
    frequencies: tuple[Frequency, ...] = ()

    def starts(self) -> tuple[int, ...]:
        """Return when each run of a day departs, in seconds after the zero of the service day, each once, in order.

        `exact_times` makes no difference: on sale are the departures that the headway gives.
        """
        if not self.frequencies:
            return (self.start_seconds,)
        return tuple(sorted({start for frequency in self.frequencies for start in frequency.starts()}))
