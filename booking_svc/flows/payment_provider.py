"""The payment provider's HTTP API, as far as we use it."""

from typing import Any

import httpx2

from booking_svc.domain.payment import Charge, ChargeState, Outcome, Refund

CONNECT_SECONDS = 2.0
STATES = {
    "captured": ChargeState.CAPTURED,
    "declined": ChargeState.DECLINED,
    "action_required": ChargeState.ACTION_REQUIRED,
}
UNKNOWN = Outcome(ChargeState.UNKNOWN)
REFUSALS = ("unknown_token", "invalid_request")
"""What the provider says when it has looked at a request and done nothing."""
ATTEMPTS = 2


class PaymentProvider:
    """Charges and refunds under keys of ours, so that whatever is repeated happens once."""

    def __init__(self, url: str, *, timeout_seconds: float) -> None:
        timeout = httpx2.Timeout(timeout_seconds, connect=min(CONNECT_SECONDS, timeout_seconds))
        self._client = httpx2.AsyncClient(base_url=url, timeout=timeout)

    async def close(self) -> None:
        await self._client.aclose()

    async def charge(self, charge: Charge, *, token: str) -> Outcome:
        """Ask for the money; an outcome that cannot be told is UNKNOWN, never a guess."""
        body = {
            "amount_minor": charge.amount_minor,
            "currency": charge.currency,
            "token": token,
            "reference": charge.booking_id,
        }
        for _ in range(ATTEMPTS):
            reply = await self._ask("POST", "/v1/charges", key=charge.id, json=body)
            if reply is None or reply.status_code < 500:
                break
        if reply is None or reply.status_code >= 500:
            return UNKNOWN
        return outcome_of(reply)

    async def find(self, charge: Charge) -> Outcome | None:
        """Look a charge up by its key; None when the provider has never heard of it."""
        reply = await self._ask("GET", "/v1/charges", params={"key": charge.id})
        if reply is not None and reply.status_code == 404:
            return None
        return UNKNOWN if reply is None else outcome_of(reply)

    async def void(self, charge: Charge) -> Outcome:
        """Make sure that nothing will ever be captured under a charge's key, unless it has been already."""
        reply = await self._ask("POST", "/v1/voids", json={"key": charge.id})
        return UNKNOWN if reply is None else outcome_of(reply)

    async def refund(self, refund: Refund) -> bool:
        """Ask for money to be given back; tell whether it certainly was."""
        body = {
            "charge_id": refund.provider_charge_id,
            "amount_minor": refund.amount_minor,
            "reference": refund.booking_id,
        }
        reply = await self._ask("POST", "/v1/refunds", key=refund.id, json=body)
        return reply is not None and reply.status_code == 201

    async def _ask(self, method: str, path: str, *, key: str = "", **request: Any) -> httpx2.Response | None:
        headers = {"Idempotency-Key": key} if key else {}
        try:
            return await self._client.request(method, path, headers=headers, **request)
        except httpx2.HTTPError:
            return None


def outcome_of(reply: httpx2.Response) -> Outcome:
    """Read a charge; an answer that is none is UNKNOWN."""
    try:
        charge = reply.json()
        if reply.status_code == 422 and charge["code"] in REFUSALS:
            return Outcome(ChargeState.DECLINED, decline_reason=charge["code"])
        if reply.status_code not in (200, 201, 402):
            return UNKNOWN
        state = STATES.get(charge["status"], ChargeState.UNKNOWN)
        return Outcome(state, charge["id"], charge["action_url"] or "", charge["decline_reason"] or "")
    except (ValueError, KeyError, TypeError):
        return UNKNOWN
