"""The seats of a kind of vehicle and the vehicles that have them."""

from collections.abc import Sequence
from dataclasses import dataclass

from chassis.errors import FieldError, InvalidInput

DEFAULT_LAYOUT_ID = "lay_default"
SEATS_MAX = 2000


@dataclass(frozen=True, slots=True)
class LayoutSeat:
    """A seat by its label, its place and what it offers."""

    id: str
    row: int
    column: int
    features: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Layout:
    """The seats of a kind of vehicle, in the order in which we give them."""

    id: str
    operator_id: str
    name: str
    seats: tuple[LayoutSeat, ...]
    version: int = 1

    def index(self) -> dict[str, int]:
        """Return the place of each label in the order."""
        return {seat.id: place for place, seat in enumerate(self.seats)}


@dataclass(frozen=True, slots=True)
class Vehicle:
    """A vehicle of an operator's fleet."""

    id: str
    operator_id: str
    label: str
    layout_id: str
    version: int = 1


def create(layout_id: str, *, operator_id: str, name: str, seats: Sequence[LayoutSeat]) -> Layout:
    """Describe a layout, or say which seat is wrong."""
    errors = []
    if not 1 <= len(seats) <= SEATS_MAX:
        errors.append(FieldError("/seats", f"Give 1 to {SEATS_MAX} seats."))
    labels: set[str] = set()
    for place, seat in enumerate(seats):
        if not seat.id or len(seat.id) > 8 or seat.id in labels:
            errors.append(FieldError(f"/seats/{place}/id", "Give each seat a label of its own, up to 8 characters."))
        labels.add(seat.id)
    if errors:
        raise InvalidInput(errors=errors)
    return Layout(layout_id, operator_id, name, tuple(seats))


def default_layout() -> Layout:
    """Return the coach of 50 seats that a departure gets when nobody says more: 1A to 13B, 1A and 1B step-free."""
    seats = [
        LayoutSeat(f"{row}{letter}", row, column, frozenset({"wheelchair"} if row == 1 and column <= 2 else ()))
        for row in range(1, 14)
        for column, letter in enumerate("ABCD", 1)
        if row < 13 or letter in "AB"
    ]
    return Layout(DEFAULT_LAYOUT_ID, "", "Coach, 50 seats", tuple(seats))
