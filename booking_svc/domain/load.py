"""How full a departure is."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Self


@dataclass(frozen=True, slots=True)
class Riding:
    """How many ride from one call to another."""

    origin: int
    destination: int
    count: int
    is_sold: bool


@dataclass(frozen=True, slots=True)
class Load:
    """Seats on the part of a departure's way where the most ride: sold, and with what is held; out of how many."""

    departure_id: str
    seats_sold: int
    seats_taken: int
    capacity: int

    @classmethod
    def of(cls, departure_id: str, capacity: int, riding: Sequence[Riding]) -> Self:
        """Count those who ride at the same time."""
        return cls(departure_id, most([one for one in riding if one.is_sold]), most(riding), capacity)


def most(riding: Iterable[Riding]) -> int:
    """Count the riders on the fullest segment: who gets off at a call leaves the seat to who gets on there."""
    changes = Counter[int]()
    for one in riding:
        changes[one.origin] += one.count
        changes[one.destination] -= one.count
    return max(accumulate(changes[call] for call in sorted(changes)), default=0)
