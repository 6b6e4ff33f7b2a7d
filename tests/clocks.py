"""A clock that tests set."""

from datetime import UTC, datetime, timedelta


class FixedClock:
    """Stands still until it is told to advance; counts how often it was read."""

    def __init__(self, start: datetime = datetime(2030, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)) -> None:
        self._now = start
        self.reads = 0

    def now(self) -> datetime:
        self.reads += 1
        return self._now

    def advance(self, seconds: float) -> None:
        self._now += timedelta(seconds=seconds)

    def set(self, now: datetime) -> None:
        self._now = now
