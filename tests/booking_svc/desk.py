"""Where payments are worked on, by hand: what the service's loops do, a step at a time."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from google.protobuf.message import Message

from booking_svc import translate
from booking_svc.flows.confirm_booking import confirm_booking
from booking_svc.flows.pay_refunds import pay_refunds
from booking_svc.flows.payment_provider import PaymentProvider
from booking_svc.flows.payments import Payments
from booking_svc.store.work import Work
from chassis.access import Caller
from chassis.clock import Clock
from chassis.replies import Once
from chassis.store import Store
from tests.booking_svc.builders import RIDER, opened

GIVE_UP_SECONDS = 20.0


@dataclass(frozen=True)
class Desk:
    """One life of a process that works on payments."""

    store: Store[Work]
    provider: PaymentProvider
    payments: Payments

    async def confirm(self, booking_id: str, token: str, *, key: str = "k1", caller: Caller = RIDER) -> Any:
        """Pay; return the answer, a booking's message."""
        asked: dict[str, Any] = {"caller": caller, "booking_id": booking_id, "version": 0, "payment_token": token}
        message: Message = await confirm_booking(self.payments, once=once(key), **asked)
        return message

    async def resolve(self) -> None:
        await self.payments.resolve_open_charges()

    async def pay_refunds(self) -> None:
        await pay_refunds(self.store, self.provider)


def once(key: str) -> Once:
    return Once.of(subject=RIDER.subject, operation="confirm", key=key, body=b"")


@asynccontextmanager
async def working(url: str, provider_url: str, clock: Clock, *, wait_seconds: float = 5.0) -> AsyncIterator[Desk]:
    """Open the database and work until the life ends, as suddenly as the caller likes."""
    with opened(url, clock) as store:
        store.start()
        provider = PaymentProvider(provider_url, timeout_seconds=2.0)
        payments = Payments(
            store,
            provider,
            answer=lambda booking: translate.booking_out(booking, now=clock.now()),
            issue_ticket=lambda _booking, item, _ticket_id: f"code {item.id}",
            wait_seconds=wait_seconds,
            give_up_seconds=GIVE_UP_SECONDS,
        )
        try:
            yield Desk(store, provider, payments)
        finally:
            await payments.close()
            await provider.close()
