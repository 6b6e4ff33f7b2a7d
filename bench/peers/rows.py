"""The rows of one hold as the peers write them: those of the product, with contents of the same kind and size."""

import json
import secrets
import time
from dataclasses import dataclass
from typing import Any

from chassis.ids import new_id

SEGMENTS = 3
RIDE = (1 << SEGMENTS) - 1
HOLD_MICROSECONDS = 600_000_000


@dataclass(frozen=True, slots=True)
class Hold:
    """What a caller asks for."""

    departure_id: str
    rider_id: str
    key: str


def rows_of(hold: Hold, *, seat: int, counts: list[int]) -> dict[str, list[dict[str, Any]]]:
    """Return by table what a hold inserts, but for its seat."""
    now = time.time_ns() // 1000
    booking_id, item_id = new_id("bkg"), new_id("itm")
    until = now + HOLD_MICROSECONDS
    booking = {
        "id": booking_id, "reference": secrets.token_hex(5), "rider_id": hold.rider_id, "operator_id": "opr_sea",
        "state": "held", "hold_expires_at": until, "expires_at": until,
        "legs": json.dumps([[hold.departure_id, 0, SEGMENTS]]), "currency": "EUR", "payment_state": "none",
        "action_url": "", "contact_email": "rider@example.com", "contact_phone": "", "created_at": now, "version": 1,
    }  # fmt: skip
    item = {
        "booking_id": booking_id, "position": 0, "id": item_id, "leg_index": 0, "departure_id": hold.departure_id,
        "origin_sequence": 0, "destination_sequence": SEGMENTS, "passenger_name": "Ada Lovelace", "category": "adult",
        "seat_id": str(seat + 1), "seat_index": seat, "state": "held", "boarding": "expected", "price_minor": 1250,
        "ticket_id": "", "ticket_code": "", "expires_at": until,
    }  # fmt: skip
    entry = {
        "booking_id": booking_id, "version": 1, "fact": "held", "item_ids": json.dumps([item_id]),
        "amount_minor": 1250, "currency": "EUR", "actor": hold.rider_id, "occurred_at": now,
    }  # fmt: skip
    told = {"booking_id": booking_id, "items": [{"id": item_id, "seat": str(seat + 1)}], "total_minor": 1250}
    free = {"departure_id": hold.departure_id, "taken": counts, "observed_at": now}
    reply = {"booking": booking, "items": [item]}
    return {
        "bookings": [booking],
        "items": [item],
        "outbox": [event("BOOKING", "held", hold, told, now), event("AVAILABILITY", "changed", hold, free, now)],
        "booking_history": [entry],
        "replies": [{"digest": hold.key, "fingerprint": "", "reply": json.dumps(reply).encode(), "created_at": now}],
    }


def event(stream: str, fact: str, hold: Hold, content: dict[str, Any], now: int) -> dict[str, Any]:
    """Return an outbox row."""
    subject = f"headway.v1.{stream.lower()}.{fact}.opr_sea.{hold.departure_id}"
    payload = json.dumps(content).encode()
    return {
        "id": new_id("evt"), "stream": stream, "subject": subject, "type": fact, "payload": payload,
        "traceparent": "", "created_at": now,
    }  # fmt: skip
