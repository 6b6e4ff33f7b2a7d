"""What the service does without being asked."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

from booking_svc.flows.importer import Importer
from booking_svc.flows.pay_refunds import pay_refunds
from booking_svc.flows.payment_provider import PaymentProvider
from booking_svc.flows.payments import Payments
from booking_svc.store.work import Work
from booking_svc.use_cases.expire_holds import expire_holds
from booking_svc.use_cases.tidy import tidy
from chassis.lifecycle import Loop, every
from chassis.store import Store

EXPIRE_SECONDS = 1.0
RESOLVE_SECONDS = 5.0
REFUND_SECONDS = 5.0
TIDY_SECONDS = 600.0
IMPORT_SECONDS = 0.5
EXTEND_SECONDS = 300.0


def loops(
    store: Store[Work], payments: Payments, provider: PaymentProvider, refund_now: asyncio.Event
) -> Sequence[Loop]:
    """List the loops; each goes on after a failure, which names it."""
    importer = Importer(store)

    async def expiring() -> None:
        await every(EXPIRE_SECONDS, partial(in_steps, lambda: store.write(expire_holds)))

    async def resolving() -> None:
        await every(RESOLVE_SECONDS, payments.resolve_open_charges)

    async def refunding() -> None:
        await pay_refunds_soon(store, provider, refund_now)

    async def tidying() -> None:
        await every(TIDY_SECONDS, partial(in_steps, lambda: store.write(tidy)))

    async def importing() -> None:
        await every(IMPORT_SECONDS, importer.import_waiting)

    async def extending() -> None:
        await every(EXTEND_SECONDS, importer.keep_on_sale)

    return expiring, resolving, refunding, tidying, importing, extending


async def in_steps(step: Callable[[], Awaitable[int]]) -> None:
    """Repeat a step that does a bounded piece of work until it finds nothing to do."""
    while await step():
        pass


async def pay_refunds_soon(store: Store[Work], provider: PaymentProvider, now: asyncio.Event) -> None:
    """Pay refunds out as soon as there is one, and try again those that failed."""
    while True:
        await pay_refunds(store, provider)
        try:
            async with asyncio.timeout(REFUND_SECONDS):
                await now.wait()
        except TimeoutError:
            pass
        now.clear()
