"""Charges between two transactions: ask the provider, record the outcome, and learn later what was lost."""

import asyncio
from collections.abc import Callable, Coroutine
from datetime import timedelta
from typing import Any, TypeVar

from google.protobuf.message import Message

from booking_svc.domain.booking import Booking
from booking_svc.domain.errors import PaymentDeclined
from booking_svc.domain.payment import Charge, ChargeState, Outcome
from booking_svc.flows.payment_provider import PaymentProvider
from booking_svc.store.work import Work
from booking_svc.use_cases.finish_payment import IssueTicket, finish_payment
from chassis.errors import Failure
from chassis.faults import fault_point
from chassis.logs import EventLog
from chassis.replies import Once, Phase
from chassis.store import Store

log = EventLog(__name__)

CHARGES_AT_ONCE = 20

Answer = Callable[[Booking], Message]
T = TypeVar("T")


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
        self.store = store
        self.answer = answer
        self.wait_seconds = wait_seconds
        self._provider = provider
        self._issue_ticket = issue_ticket
        self._give_up = timedelta(seconds=give_up_seconds)
        self._tasks: set[asyncio.Task[Any]] = set()
        self._charging: set[str] = set()

    def start(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Begin work that goes on when whoever asked for it has gone."""
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    async def charge(self, charge: Charge, *, token: str) -> Message:
        """Ask the provider for the money and record what it says; raise PaymentDeclined when it refuses."""
        self._charging.add(charge.id)
        try:
            fault_point("booking.before_charge")
            outcome = await self._provider.charge(charge, token=token)
            fault_point("booking.after_charge")
            message = await self._finish(charge, outcome)
        finally:
            self._charging.discard(charge.id)
        if outcome.state is ChargeState.DECLINED:
            raise PaymentDeclined(provider_reason=outcome.decline_reason)
        return message

    async def resolve_open_charges(self) -> None:
        """Learn the outcome of charges that nobody here is working on: after a crash, a lost reply, a long thought."""
        charges = await self.store.read(lambda work: work.payments.open_charges())
        left = [charge for charge in charges if charge.id not in self._charging]
        for start in range(0, len(left), CHARGES_AT_ONCE):
            await asyncio.gather(*map(self._resolve, left[start : start + CHARGES_AT_ONCE]))

    async def close(self) -> None:
        """Leave charges under way to the next start."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _done(self, task: asyncio.Task[Any]) -> None:
        """Forget work that is done; whoever asked for it may have gone, so look at what it raised."""
        self._tasks.discard(task)
        failure = None if task.cancelled() else task.exception()
        if failure is not None and not isinstance(failure, Failure):
            log.warning("charge_left_open", cause=type(failure).__name__)

    async def _resolve(self, charge: Charge) -> None:
        now = self.store.now()
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
        message = await self.store.write(
            finish_payment,
            once=waiting,
            answer=self.answer,
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
