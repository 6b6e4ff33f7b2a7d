"""A fare quote and a cancellation quote, as their signed tokens say."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class QuotedLeg:
    """A leg that was priced; the stops at both calls must still be these."""

    departure_id: str
    origin_stop_id: str
    destination_stop_id: str
    origin_sequence: int
    destination_sequence: int


@dataclass(frozen=True, slots=True)
class QuotedPassenger:
    """A passenger's category and price on each leg."""

    category: str
    leg_minor: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class FareQuote:
    """What pricing promised."""

    id: str
    currency: str
    total_minor: int
    legs: tuple[QuotedLeg, ...]
    passengers: tuple[QuotedPassenger, ...]


@dataclass(frozen=True, slots=True)
class CancellationQuote:
    """What cancelling some items of a booking at one version refunds."""

    booking_id: str
    booking_version: int
    item_ids: tuple[str, ...]
    refund_minor: int
    fee_minor: int
    currency: str
