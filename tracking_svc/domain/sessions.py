"""What of a device's run is settled, and up to where nothing is missing."""

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, replace

Stretch = tuple[int, int]
"""The first and the last of sequences without a gap."""

STRETCHES_MAX = 256


@dataclass(frozen=True, slots=True)
class Session:
    """One run of a device. One without an id counts nothing: its points are told apart by their times alone."""

    vehicle_id: str
    id: str
    first_sequence: int = 0
    """The lowest of the first batch; 0 before it."""
    settled: tuple[Stretch, ...] = ()
    """Sequences whose points are durable or were rejected."""

    @property
    def acknowledged_sequence(self) -> int:
        """Return the last sequence before the first gap; it never falls. 0 while there is none."""
        found = self._stretch_of(self.first_sequence)
        return found[1] if found else 0

    def counts(self, sequence: int) -> bool:
        """Tell whether a sequence says anything here."""
        return sequence > 0 and bool(self.id)

    def has_settled(self, sequence: int) -> bool:
        return self._stretch_of(sequence) is not None

    def settle(self, sequences: Iterable[int]) -> "Session":
        """Add sequences whose points have their verdict."""
        new = {sequence for sequence in sequences if self.counts(sequence)}
        if not new:
            return self
        first = self.first_sequence or min(new)
        settled = merge([*self.settled, *((sequence, sequence) for sequence in new)])
        return replace(self, first_sequence=first, settled=settled).with_bounded_memory()

    def with_bounded_memory(self) -> "Session":
        """Forget the stretches farthest beyond the first gap when there are very many of them.

        Harmless: a point that comes again from there is still known by its time, and was not acknowledged.
        """
        if len(self.settled) <= STRETCHES_MAX:
            return self
        place = bisect_right(self.settled, self.first_sequence, key=first_of) - 1
        return replace(self, settled=self.settled[place : place + STRETCHES_MAX])

    def _stretch_of(self, sequence: int) -> Stretch | None:
        place = bisect_right(self.settled, sequence, key=first_of) - 1
        return self.settled[place] if place >= 0 and sequence <= self.settled[place][1] else None


def merge(stretches: Iterable[Stretch]) -> tuple[Stretch, ...]:
    """Join stretches that touch or overlap."""
    merged: list[Stretch] = []
    for first, last in sorted(stretches):
        if merged and first <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(last, merged[-1][1]))
        else:
            merged.append((first, last))
    return tuple(merged)


def first_of(stretch: Stretch) -> int:
    """Return where a stretch begins."""
    return stretch[0]
