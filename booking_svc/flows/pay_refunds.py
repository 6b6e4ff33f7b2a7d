"""Pay out what is owed: ask the provider, record that it is done; each refund once, by its key."""

from booking_svc.flows.payment_provider import PaymentProvider
from booking_svc.store.work import Work
from booking_svc.use_cases.finish_refund import finish_refund
from chassis.faults import fault_point
from chassis.store import Store

REFUNDS_A_ROUND = 100


async def pay_refunds(store: Store[Work], provider: PaymentProvider) -> None:
    """Pay out every refund that is open; what fails waits for the next round."""
    for refund in await store.read(lambda work: work.payments.open_refunds(limit=REFUNDS_A_ROUND)):
        fault_point("booking.before_refund")
        if await provider.refund(refund):
            fault_point("booking.after_refund")
            await store.write(finish_refund, refund_id=refund.id)
