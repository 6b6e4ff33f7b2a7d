"""Charges and refunds as booking knows them; the provider has the last word."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class ChargeState(StrEnum):
    PROCESSING = "processing"
    ACTION_REQUIRED = "action_required"
    UNKNOWN = "unknown"
    CAPTURED = "captured"
    DECLINED = "declined"


OPEN = (ChargeState.PROCESSING, ChargeState.ACTION_REQUIRED, ChargeState.UNKNOWN)


@dataclass(frozen=True, slots=True)
class Charge:
    """One attempt to be paid; its id is the provider's idempotency key."""

    id: str
    booking_id: str
    amount_minor: int
    currency: str
    state: ChargeState
    provider_charge_id: str
    # The key and the fingerprint of the request that waits for the outcome.
    once_digest: str
    once_fingerprint: str
    actor: str
    started_at: datetime
    # Until then the rider may finish what the bank asks for.
    gives_up_at: datetime


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the provider says of a charge."""

    state: ChargeState
    provider_charge_id: str = ""
    action_url: str = ""
    decline_reason: str = ""


@dataclass(frozen=True, slots=True)
class Refund:
    """Money to give back; its id is the provider's idempotency key."""

    id: str
    booking_id: str
    charge_id: str
    provider_charge_id: str
    amount_minor: int
    currency: str
    is_done: bool
