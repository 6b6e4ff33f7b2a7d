"""Points of a vehicle's way, column by column, so that hundreds are judged, packed and stored as one."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
SECOND = 1_000_000
NOT_TOLD = math.nan
"""What stands in a column where the device told nothing, or nothing that can be true."""

FRAME_SPAN = 600 * SECOND
"""No frame is longer, so that the frames which may hold a point are found in a short stretch of the history."""


@dataclass(frozen=True, slots=True)
class Position:
    """Where a vehicle was at one time; degrees, metres and metres a second."""

    sequence: int
    recorded_at: datetime
    latitude: float
    longitude: float
    speed_meters_per_second: float | None = None
    heading_degrees: float | None = None
    accuracy_meters: float | None = None


@dataclass(frozen=True, slots=True)
class Points:
    """Points of one vehicle in columns of one length."""

    sequences: Sequence[int]
    """0 for a point without one."""
    recorded: Sequence[int]
    """Microseconds since 1970."""
    latitudes: Sequence[float]
    longitudes: Sequence[float]
    speeds: Sequence[float]
    headings: Sequence[float]
    accuracies: Sequence[float]

    def __len__(self) -> int:
        return len(self.recorded)

    @property
    def columns(self) -> tuple[Sequence[int] | Sequence[float], ...]:
        """Return the columns in the order in which they are packed."""
        return (
            self.sequences,
            self.recorded,
            self.latitudes,
            self.longitudes,
            self.speeds,
            self.headings,
            self.accuracies,
        )

    def at(self, index: int) -> Position:
        """Return one point by itself."""
        return Position(
            sequence=self.sequences[index],
            recorded_at=instant(self.recorded[index]),
            latitude=self.latitudes[index],
            longitude=self.longitudes[index],
            speed_meters_per_second=told(self.speeds[index]),
            heading_degrees=told(self.headings[index]),
            accuracy_meters=told(self.accuracies[index]),
        )

    def take(self, places: Sequence[int]) -> "Points":
        """Return the points at some places, in that order."""
        return Points(
            [self.sequences[place] for place in places],
            [self.recorded[place] for place in places],
            [self.latitudes[place] for place in places],
            [self.longitudes[place] for place in places],
            [self.speeds[place] for place in places],
            [self.headings[place] for place in places],
            [self.accuracies[place] for place in places],
        )

    def in_order(self) -> "Points":
        """Return the points as they were recorded, oldest first."""
        if all(earlier <= later for earlier, later in pairwise(self.recorded)):
            return self
        return self.take(sorted(range(len(self)), key=self.recorded.__getitem__))

    def frames(self) -> "Iterator[Points]":
        """Yield points that are in order in pieces no longer than a frame may be; commonly that is one."""
        for start, end in stretches(self.recorded):
            yield self if end - start == len(self) else self.take(range(start, end))


def stretches(recorded: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Cut rising times into stretches no longer than a frame; yield the places where each begins and ends."""
    start = 0
    for place, time in enumerate(recorded):
        if time - recorded[start] > FRAME_SPAN:
            yield start, place
            start = place
    if recorded:
        yield start, len(recorded)


def told(value: float) -> float | None:
    """Read a value of a column that may be empty."""
    return None if math.isnan(value) else value


def microseconds(at: datetime) -> int:
    """Count the microseconds since 1970."""
    return (at - EPOCH) // MICROSECOND


def instant(recorded: int) -> datetime:
    """Return the time that lies some microseconds after 1970."""
    return EPOCH + timedelta(microseconds=recorded)
