"""A booking: seats for passengers on legs, under one reference, and what may become of it."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from booking_svc.domain.departure import DepartureState, Leg
from booking_svc.domain.errors import DepartureCancelled, HoldExpired, IllegalState, StaleVersion


class BookingState(StrEnum):
    HELD = "held"
    CONFIRMED = "confirmed"
    CANCELLED = "cancelled"
    RELEASED = "released"
    EXPIRED = "expired"
    COMPLETED = "completed"


class ItemState(StrEnum):
    HELD = "held"
    CONFIRMED = "confirmed"
    CANCELLED = "cancelled"
    RELEASED = "released"
    EXPIRED = "expired"


class Boarding(StrEnum):
    EXPECTED = "expected"
    BOARDED = "boarded"
    NO_SHOW = "no_show"


class PaymentState(StrEnum):
    NONE = "none"
    PROCESSING = "processing"
    ACTION_REQUIRED = "action_required"
    CAPTURED = "captured"
    DECLINED = "declined"
    REFUNDED = "refunded"
    UNKNOWN = "unknown"


UNDER_WAY = frozenset({PaymentState.PROCESSING, PaymentState.ACTION_REQUIRED, PaymentState.UNKNOWN})
"""While money may be moving, nothing expires and nothing is released."""
LIVE = frozenset({ItemState.HELD, ItemState.CONFIRMED})


@dataclass(frozen=True, slots=True)
class Contact:
    """How to reach the rider."""

    email: str
    phone: str = ""


@dataclass(frozen=True, slots=True)
class Item:
    """One passenger on one leg; a ticket comes with the confirmation."""

    id: str
    leg_index: int
    departure_id: str
    origin_sequence: int
    destination_sequence: int
    passenger_name: str
    category: str
    seat_id: str
    seat_index: int
    state: ItemState
    boarding: Boarding
    price_minor: int
    ticket_id: str = ""
    ticket_code: str = ""


@dataclass(frozen=True, slots=True)
class Booking:
    """Seats for some passengers on one or more legs of one operator."""

    id: str
    reference: str
    rider_id: str
    operator_id: str
    state: BookingState
    hold_expires_at: datetime | None
    legs: tuple[Leg, ...]
    items: tuple[Item, ...]
    currency: str
    payment_state: PaymentState
    action_url: str
    contact: Contact
    created_at: datetime
    version: int

    @property
    def total_minor(self) -> int:
        return sum(item.price_minor for item in self.items)

    @property
    def live_items(self) -> tuple[Item, ...]:
        return tuple(item for item in self.items if item.state in LIVE)

    @property
    def departure_ids(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(leg.departure_id for leg in self.legs))

    @property
    def seats_expire_at(self) -> datetime | None:
        """Say when the seats come free by themselves: never while money may be moving."""
        is_waiting = self.state is BookingState.HELD and self.payment_state not in UNDER_WAY
        return self.hold_expires_at if is_waiting else None

    def as_of(self, now: datetime) -> "Booking":
        """Return the booking as riders see it: a hold whose time is up is expired before anybody has tidied it.

        What is confirmed is completed as soon as every departure is that it has seats on.
        """
        if (until := self.seats_expire_at) is not None and until <= now:
            return self.expire()
        ridden = all(self.legs[item.leg_index].state is DepartureState.COMPLETED for item in self.live_items)
        return replace(self, state=BookingState.COMPLETED) if ridden and self.state is BookingState.CONFIRMED else self

    def available_actions(self, now: datetime) -> list[str]:
        """Name the operations that would be accepted now."""
        if self.payment_state in UNDER_WAY:
            return []
        if self.state is BookingState.HELD:
            is_running = all(leg.is_running for leg in self.legs)
            return ["confirm_booking", "release_booking"] if is_running else ["release_booking"]
        if self.state is BookingState.CONFIRMED and any(self._is_ahead(item, now) for item in self.live_items):
            return ["quote_cancellation", "cancel_booking"]
        return []

    def expect_version(self, seen_version: int) -> None:
        """Refuse to act on a booking that the caller has seen otherwise; 0 is no expectation."""
        if seen_version and seen_version != self.version:
            raise StaleVersion(version=self.version)

    def begin_payment(self, *, now: datetime) -> "Booking":
        """Mark that money may be moving from now on; the hold stands until that is known."""
        self._must_be_held(now)
        for leg in self.legs:
            if not leg.is_running:
                raise DepartureCancelled(departure_id=leg.departure_id)
        return self._next(payment_state=PaymentState.PROCESSING, action_url="")

    def await_action(self, action_url: str) -> "Booking":
        """Note that the rider must do something at the provider."""
        return self._next(payment_state=PaymentState.ACTION_REQUIRED, action_url=action_url)

    def lose_sight_of_payment(self) -> "Booking":
        """Note that nobody can tell at the moment whether money has moved."""
        return self._next(payment_state=PaymentState.UNKNOWN)

    def decline(self) -> "Booking":
        """Note that no money has moved; the hold runs on."""
        return self._next(payment_state=PaymentState.DECLINED, action_url="")

    def confirm(self, items: tuple[Item, ...]) -> "Booking":
        """Turn a paid hold into a booking; the items come with their tickets."""
        return self._next(
            state=BookingState.CONFIRMED,
            payment_state=PaymentState.CAPTURED,
            action_url="",
            hold_expires_at=None,
            items=tuple(replace(item, state=ItemState.CONFIRMED) for item in items),
        )

    def release(self, *, now: datetime) -> "Booking":
        """Give the seats back at the rider's wish."""
        self._must_be_held(now)
        return self._end(BookingState.RELEASED, ItemState.RELEASED)

    def expire(self) -> "Booking":
        """Give the seats back because the time is up."""
        return self._end(BookingState.EXPIRED, ItemState.EXPIRED)

    def cancel(self, item_ids: Collection[str], *, is_refunded: bool) -> "Booking":
        """Cancel confirmed items; a booking without any left is cancelled itself."""
        if self.state is not BookingState.CONFIRMED:
            raise IllegalState(state=self.state, available_actions=[])
        items = tuple(replace(item, state=ItemState.CANCELLED) if item.id in item_ids else item for item in self.items)
        is_over = all(item.state is ItemState.CANCELLED for item in items)
        return self._next(
            items=items,
            state=BookingState.CANCELLED if is_over else self.state,
            payment_state=PaymentState.PROCESSING if is_refunded else self.payment_state,
        )

    def refunded(self) -> "Booking":
        """Note that the money is back; what was only partly refunded stays captured."""
        is_over = self.state is BookingState.CANCELLED
        return self._next(payment_state=PaymentState.REFUNDED if is_over else PaymentState.CAPTURED)

    def _must_be_held(self, now: datetime) -> None:
        state = self.as_of(now).state
        if state is BookingState.EXPIRED:
            raise HoldExpired(state=state, available_actions=[])
        if state is not BookingState.HELD or self.payment_state in UNDER_WAY:
            raise IllegalState(state=state, available_actions=self.available_actions(now))

    def _is_ahead(self, item: Item, now: datetime) -> bool:
        """Tell whether an item's ride is still to come, or will never."""
        leg = self.legs[item.leg_index]
        return leg.origin.scheduled_at > now or not leg.is_running

    def _end(self, state: BookingState, item_state: ItemState) -> "Booking":
        items = tuple(replace(item, state=item_state) for item in self.items)
        return self._next(state=state, items=items, hold_expires_at=None)

    def _next(self, **changes: object) -> "Booking":
        return replace(self, version=self.version + 1, **changes)  # type: ignore[arg-type]
