"""Pay for a hold: write down, ask the provider, record the outcome.

The provider is asked between two transactions. Whatever dies in between, the open charge is found by the loop, and the
provider knows it by its key.
"""

import asyncio

from google.protobuf.message import Message

from booking_svc.domain.booking import Booking
from booking_svc.flows.payments import Payments
from booking_svc.use_cases.begin_payment import begin_payment
from chassis.access import Caller
from chassis.faults import fault_point
from chassis.replies import Once


async def confirm_booking(
    payments: Payments, *, once: Once, caller: Caller, booking_id: str, version: int, payment_token: str
) -> Message:
    """Charge for a hold and confirm it; answer as things stand when the provider takes too long."""
    beginning = payments.start(
        begin(payments, once=once, caller=caller, booking_id=booking_id, version=version, payment_token=payment_token)
    )
    begun = await asyncio.shield(beginning)
    if isinstance(begun, Message):
        return begun
    booking, charging = begun
    done, _ = await asyncio.wait({charging}, timeout=payments.wait_seconds)
    return charging.result() if done else payments.answer(booking)


async def begin(
    payments: Payments, *, once: Once, caller: Caller, booking_id: str, version: int, payment_token: str
) -> Message | tuple[Booking, asyncio.Task[Message]]:
    """Open the charge and start to make it, unless the key says that this was answered before."""
    fault_point("booking.before_begin_payment")
    begun = await payments.store.write(
        begin_payment,
        once=once.opening(),
        caller=caller,
        booking_id=booking_id,
        version=version,
        waiting=once,
    )
    if isinstance(begun, Message):
        return begun
    booking, charge = begun
    return booking, payments.start(payments.charge(charge, token=payment_token))
