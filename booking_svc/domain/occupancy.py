"""Which seats of a departure are taken on which segments.

A seat is a number whose bit n says that segment n is taken; a ride is the number with its segments' bits.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from booking_svc.domain.errors import NeedsNotMet, SeatTaken, SoldOut
from booking_svc.domain.layout import Layout

Masks = Mapping[int, int]
"""Seat index -> taken segments; a seat that is absent is free all the way."""


def ride_mask(origin: int, destination: int) -> int:
    """Return the segments of a ride between two calls."""
    return (1 << destination) - (1 << origin)


@dataclass(frozen=True, slots=True)
class Occupancy:
    """How many seats are taken on each segment, and where looking for a free one begins."""

    departure_id: str
    capacity: int
    taken: tuple[int, ...]
    # Every seat before this one is taken all the way.
    search_from: int
    version: int

    def seats_free(self) -> list[int]:
        """Count the free seats of each segment."""
        return [self.capacity - taken for taken in self.taken]

    def most_taken(self, origin: int, destination: int) -> int:
        return max(self.taken[origin:destination])

    def changed(self, origin: int, destination: int, by: int) -> "Occupancy":
        """Count seats in or out on a ride."""
        taken = tuple(
            count + by if origin <= segment < destination else count for segment, count in enumerate(self.taken)
        )
        return replace(self, taken=taken)


@dataclass(frozen=True, slots=True)
class Wish:
    """What one passenger wants of a leg: a certain seat, or any with some features."""

    seat_id: str = ""
    needs: frozenset[str] = frozenset()


def choose_named(layout: Layout, wishes: Sequence[Wish], masks: Masks, ride: int) -> dict[int, int]:
    """Give the seats asked for by name: wish index -> seat index; SeatTaken tells all that are not free."""
    index = layout.index()
    chosen: dict[int, int] = {}
    conflicts = []
    for place, wish in enumerate(wishes):
        if not wish.seat_id:
            continue
        seat = index.get(wish.seat_id)
        if seat is None or masks.get(seat, 0) & ride or seat in chosen.values():
            conflicts.append(wish.seat_id)
        elif not wish.needs <= layout.seats[seat].features:
            raise NeedsNotMet(seat_ids=[wish.seat_id])
        else:
            chosen[place] = seat
    if conflicts:
        raise SeatTaken(seat_ids=conflicts)
    return chosen


def choose_any(layout: Layout, wishes: Sequence[Wish], free: Sequence[int], chosen: dict[int, int]) -> dict[int, int]:
    """Give the other passengers free seats in order, those with needs first."""
    left = [seat for seat in free if seat not in chosen.values()]
    open_wishes = [place for place in range(len(wishes)) if place not in chosen]
    if len(left) < len(open_wishes):
        raise SoldOut(seats_available=len(left))
    found = dict(chosen)
    for place in sorted(open_wishes, key=lambda place: -len(wishes[place].needs)):
        fitting = [seat for seat in left if wishes[place].needs <= layout.seats[seat].features]
        if not fitting:
            raise NeedsNotMet(seats_available=len(left))
        # Seats with features are kept for those who need them as long as others are free.
        best = min(fitting, key=lambda seat: len(layout.seats[seat].features - wishes[place].needs))
        left.remove(best)
        found[place] = best
    return found


def choose_together(layout: Layout, count: int, free: Sequence[int]) -> list[int]:
    """Give neighbouring seats: within one row if there are such, else one after the other."""
    runs = [free[start : start + count] for start in range(len(free) - count + 1)]
    neighbours = [run for run in runs if run[-1] - run[0] == count - 1]
    if not neighbours:
        raise NeedsNotMet("There are not as many neighbouring seats left. Ask without seating them together.")
    in_one_row = [run for run in neighbours if len({layout.seats[seat].row for seat in run}) == 1]
    return list((in_one_row or neighbours)[0])
