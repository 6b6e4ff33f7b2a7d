"""What cancelling costs: a policy as data."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from booking_svc.domain.booking import UNDER_WAY, Booking, BookingState, Item, ItemState
from booking_svc.domain.departure import Leg
from booking_svc.domain.errors import DepartureGone, IllegalState
from booking_svc.domain.quote import CancellationQuote
from chassis.errors import FieldError, InvalidInput


@dataclass(frozen=True, slots=True)
class FeeTier:
    """From this long before the departure on, cancelling costs this part of the price."""

    before: timedelta
    fee_percent: int


POLICY = (
    FeeTier(timedelta(hours=24), 10),
    FeeTier(timedelta(hours=2), 50),
    FeeTier(timedelta(0), 100),
)


def quote(
    booking: Booking, item_ids: Collection[str], *, now: datetime, policy: tuple[FeeTier, ...] = POLICY
) -> CancellationQuote:
    """Say what cancelling items would refund; no items means all that are confirmed."""
    if booking.state is not BookingState.CONFIRMED or booking.payment_state in UNDER_WAY:
        raise IllegalState(state=booking.state, available_actions=booking.available_actions(now))
    items = chosen_items(booking, item_ids)
    fee = sum(fee_minor(item, booking.legs[item.leg_index], now=now, policy=policy) for item in items)
    price = sum(item.price_minor for item in items)
    ids = tuple(item.id for item in items)
    return CancellationQuote(booking.id, booking.version, ids, price - fee, fee, booking.currency)


def chosen_items(booking: Booking, item_ids: Collection[str]) -> list[Item]:
    """Return the named items that can still be cancelled, or say which cannot."""
    confirmed = {item.id: item for item in booking.items if item.state is ItemState.CONFIRMED}
    unknown = [item_id for item_id in item_ids if item_id not in confirmed]
    if unknown:
        raise InvalidInput(errors=[FieldError("/item_ids", "Name confirmed items of this booking only.")])
    return [item for item in confirmed.values() if not item_ids or item.id in item_ids]


def fee_minor(item: Item, leg: Leg, *, now: datetime, policy: tuple[FeeTier, ...]) -> int:
    """Work out an item's fee, rounded down; a departure that does not run costs nothing."""
    if not leg.is_running:
        return 0
    left = leg.origin.scheduled_at - now
    if left <= timedelta(0):
        raise DepartureGone(departure_id=leg.departure_id)
    percent = next(tier.fee_percent for tier in policy if left >= tier.before)
    return item.price_minor * percent // 100
