"""Pay for a hold: write down, ask the provider, record the outcome.

The provider is asked between two transactions. Whatever dies in between, the open charge is found by the loop, and the
provider knows it by its key.
"""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from functools import partial

from google.protobuf.message import Message

from booking_svc.domain.booking import Booking
from booking_svc.domain.errors import PaymentDeclined
from booking_svc.domain.payment import Charge, ChargeState, Outcome
from booking_svc.flows.payment_provider import PaymentProvider
from booking_svc.store.work import Work
from booking_svc.use_cases.begin_payment import begin_payment
from booking_svc.use_cases.finish_payment import IssueTicket, finish_payment
from chassis.access import Caller
from chassis.faults import fault_point
from chassis.logs import EventLog
from chassis.replies import Once, Phase
from chassis.store import Store

log = EventLog(__name__)

CHARGES_AT_ONCE = 20

Answer = Callable[[Booking], Message]


class Payments:
    """The charges that this process is working on, and how it works on them."""

    def __init__(
        self,
        store: Store[Work],
        provider: PaymentProvider,
        *,
        answer: Answer,
        issue_ticket: IssueTicket,
        wait_seconds: float,
        give_up_seconds: float,
    ) -> None:
        self._store = store
        self._provider = provider
        self._answer = answer
        self._issue_ticket = issue_ticket
        self._wait_seconds = wait_seconds
        self._give_up = timedelta(seconds=give_up_seconds)
        self._working: dict[str, asyncio.Task[Message]] = {}

    async def confirm_booking(
        self, *, once: Once, caller: Caller, booking_id: str, version: int, payment_token: str
    ) -> Message:
        """Charge for a hold and confirm it; answer as things stand when the provider takes too long."""
        fault_point("booking.before_begin_payment")
        begun = await self._store.write(
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
        task = asyncio.ensure_future(self._charge(charge, payment_token))
        self._working[charge.id] = task
        task.add_done_callback(partial(self._worked, charge))
        done, _ = await asyncio.wait({task}, timeout=self._wait_seconds)
        return task.result() if done else self._answer(booking)

    async def resolve_open_charges(self) -> None:
        """Learn the outcome of charges that nobody here is working on: after a crash, a lost reply, a long thought."""
        charges = await self._store.read(lambda work: work.payments.open_charges())
        left = [charge for charge in charges if charge.id not in self._working]
        for start in range(0, len(left), CHARGES_AT_ONCE):
            await asyncio.gather(*map(self._resolve, left[start : start + CHARGES_AT_ONCE]))

    async def close(self) -> None:
        """Leave charges under way to the next start."""
        working = list(self._working.values())
        for task in working:
            task.cancel()
        await asyncio.gather(*working, return_exceptions=True)

    def _worked(self, charge: Charge, task: asyncio.Task[Message]) -> None:
        """Forget a charge that is done with; whoever asked for it may have gone, so look at what it raised."""
        self._working.pop(charge.id, None)
        failure = None if task.cancelled() else task.exception()
        if failure is not None and not isinstance(failure, PaymentDeclined):
            log.warning("charge_left_open", charge_id=charge.id, cause=type(failure).__name__)

    async def _charge(self, charge: Charge, token: str) -> Message:
        fault_point("booking.before_charge")
        outcome = await self._provider.charge(charge, token=token)
        fault_point("booking.after_charge")
        message = await self._finish(charge, outcome)
        if outcome.state is ChargeState.DECLINED:
            raise PaymentDeclined(provider_reason=outcome.decline_reason)
        return message

    async def _resolve(self, charge: Charge) -> None:
        now = self._store.now()
        outcome = await self._provider.find(charge)
        if outcome is None:
            is_late = now - charge.started_at >= self._give_up
            outcome = await self._provider.void(charge) if is_late else Outcome(charge.state)
        elif outcome.state is ChargeState.ACTION_REQUIRED and now >= charge.gives_up_at:
            outcome = await self._provider.void(charge)
        if outcome.state not in (charge.state, ChargeState.UNKNOWN):
            await self._finish(charge, outcome)
            log.info("charge_resolved", charge_id=charge.id, state=outcome.state)

    async def _finish(self, charge: Charge, outcome: Outcome) -> Message:
        """Record an outcome, and with it what repeats of the waiting request will be told."""
        waiting = Once(charge.once_digest, charge.once_fingerprint, phase=phase_of(outcome))
        message = await self._store.write(
            finish_payment,
            once=waiting,
            answer=self._answer,
            charge_id=charge.id,
            outcome=outcome,
            issue_ticket=self._issue_ticket,
        )
        fault_point("booking.payment_finished")
        return message


def phase_of(outcome: Outcome) -> Phase:
    """Keep the reply of a success, forget the key of a failure, and leave it open while nobody knows."""
    if outcome.state is ChargeState.CAPTURED:
        return Phase.CLOSE
    return Phase.DROP if outcome.state is ChargeState.DECLINED else Phase.WAIT
