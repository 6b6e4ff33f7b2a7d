"""Signed promises: fare quotes come in, cancellation quotes and tickets go out."""

from datetime import datetime, timedelta
from typing import Any

from booking_svc.domain.booking import Booking, Item
from booking_svc.domain.errors import QuoteExpired, QuoteInvalid
from booking_svc.domain.quote import CancellationQuote, FareQuote, QuotedLeg, QuotedPassenger
from chassis.clock import Clock
from chassis.faults import is_guard_off
from chassis.keys import ExpiredToken, InvalidToken, Purpose, Signer, Verifier

FARE_QUOTE = Purpose("quote+jwt", "pricing")
CANCELLATION_QUOTE = Purpose("cancellation-quote+jwt", "booking")
TICKET = Purpose("ticket+jwt", "booking")
CANCELLATION_QUOTE_TTL = timedelta(minutes=10)
TICKET_VALID_AFTER_RIDE = timedelta(days=2)


class Tokens:
    """Reads and signs the promises that booking deals in."""

    def __init__(self, signer: Signer, verifier: Verifier, clock: Clock) -> None:
        self._signer = signer
        self._verifier = verifier
        self._clock = clock

    def read_fare_quote(self, token: str) -> FareQuote:
        """Check a quote that pricing signed; raise QuoteInvalid or QuoteExpired."""
        claims = self._check(token, FARE_QUOTE)
        legs = [
            QuotedLeg(
                leg["departure_id"],
                leg["origin_stop_id"],
                leg["destination_stop_id"],
                leg["origin_sequence"],
                leg["destination_sequence"],
            )
            for leg in claims["legs"]
        ]
        passengers = [QuotedPassenger(one["category"], tuple(one["leg_minor"])) for one in claims["passengers"]]
        return FareQuote(claims["quote_id"], claims["currency"], claims["total_minor"], tuple(legs), tuple(passengers))

    def sign_cancellation_quote(self, quote: CancellationQuote) -> tuple[str, datetime]:
        """Promise a refund; return the token and until when it stands."""
        now = self._clock.now().replace(microsecond=0)
        claims = {
            "booking_id": quote.booking_id,
            "booking_version": quote.booking_version,
            "item_ids": quote.item_ids,
            "refund_minor": quote.refund_minor,
            "fee_minor": quote.fee_minor,
            "currency": quote.currency,
        }
        token = self._signer.sign(claims, typ=CANCELLATION_QUOTE.typ, now=now, ttl=CANCELLATION_QUOTE_TTL)
        return token, now + CANCELLATION_QUOTE_TTL

    def read_cancellation_quote(self, token: str) -> CancellationQuote:
        """Check a quote that we signed; raise QuoteInvalid or QuoteExpired."""
        claims = self._check(token, CANCELLATION_QUOTE)
        return CancellationQuote(
            claims["booking_id"],
            claims["booking_version"],
            tuple(claims["item_ids"]),
            claims["refund_minor"],
            claims["fee_minor"],
            claims["currency"],
        )

    def issue_ticket(self, booking: Booking, item: Item, ticket_id: str) -> str:
        """Sign what a ticket inspector must know without asking anybody: no name."""
        leg = booking.legs[item.leg_index]
        now = self._clock.now()
        claims = {
            "tkt": ticket_id,
            "bkg": booking.id,
            "dep": item.departure_id,
            "seat": item.seat_id,
            "cat": item.category,
            "from": item.origin_sequence,
            "to": item.destination_sequence,
        }
        valid_until = leg.destination.scheduled_at + TICKET_VALID_AFTER_RIDE
        return self._signer.sign(claims, typ=TICKET.typ, now=now, ttl=valid_until - now)

    def _check(self, token: str, purpose: Purpose) -> dict[str, Any]:
        if is_guard_off("quote_signature"):
            return unchecked_claims(token)
        try:
            return self._verifier.check(token, purpose, now=self._clock.now())
        except ExpiredToken as error:
            raise QuoteExpired from error
        except InvalidToken as error:
            raise QuoteInvalid from error


def unchecked_claims(token: str) -> dict[str, Any]:
    """Read a token without checking it: only what a test that switches the guard off sees."""
    import base64  # noqa: PLC0415 - not a part of the program proper
    import json  # noqa: PLC0415

    payload = token.split(".")[1]
    claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return claims
