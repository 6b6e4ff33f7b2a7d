"""Every refund is paid once, and never more than was taken."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from headway.booking.v1 import booking_service_pb2 as pb
from headway.booking.v1 import bookings_pb2

from booking_svc import loops
from booking_svc.domain.booking import Booking
from booking_svc.domain.payment import Refund
from booking_svc.store.payments import REFUNDS
from booking_svc.store.work import Work
from chassis.store import Store
from tests.booking_svc import service
from tests.booking_svc.builders import account_balances, ask, cancel, hold, passenger, publish, rows, see, until
from tests.booking_svc.desk import Desk, working
from tests.booking_svc.payments import Provider
from tests.clocks import FixedClock

REFUND_MINOR = 1125
"""What is left of one price after the smallest fee."""


@pytest.fixture
async def desk(ready_url: str, mortal_provider: Provider, clock: FixedClock) -> AsyncIterator[Desk]:
    mortal_provider.start()
    async with working(ready_url, mortal_provider.url, clock) as desk:
        yield desk


async def paid(desk: Desk, passengers: int = 1) -> Booking:
    booking = hold(desk.store, (publish(desk.store), 0, 3), passengers=[passenger() for _ in range(passengers)])
    await desk.confirm(booking.id, "tok_success", key=booking.id)
    return see(desk.store, booking)


def refund_of(store: Store[Work], booking: Booking) -> Refund:
    (found,) = ask(store, lambda work: work.payments.open_refunds(booking_id=booking.id, limit=10))
    return found


async def balances(desk: Desk) -> dict[str, int]:
    found = await desk.store.read(account_balances)
    return {account: amount for (account, _), amount in found.items()}


async def test_a_refund_is_paid_once_however_often_it_is_looked_for(desk: Desk, mortal_provider: Provider) -> None:
    booking = await paid(desk)
    cancel(desk.store, booking)
    for _ in range(3):
        await desk.pay_refunds()
    assert [refund["amount_minor"] for refund in mortal_provider.refunds(booking.id)] == [REFUND_MINOR]
    assert see(desk.store, booking).payment_state == "refunded"
    assert await balances(desk) == {"provider": 125, "sales": 0, "fees": -125, "refunds_due": 0}


async def test_some_items_and_then_the_rest_are_refunded_apart_and_never_beyond_the_price(
    desk: Desk, mortal_provider: Provider
) -> None:
    booking = await paid(desk, passengers=3)
    cancel(desk.store, booking, [booking.items[2].id])
    await desk.pay_refunds()
    cancel(desk.store, booking)
    await desk.pay_refunds()
    amounts = [refund["amount_minor"] for refund in mortal_provider.refunds(booking.id)]
    assert amounts == [REFUND_MINOR, 2 * REFUND_MINOR]
    (charge,) = mortal_provider.charges(booking.id)
    assert charge["refunded_minor"] == sum(amounts) < charge["amount_minor"]


async def test_more_than_was_captured_is_never_paid_even_if_we_were_wrong(
    desk: Desk, mortal_provider: Provider
) -> None:
    booking = await paid(desk)
    cancel(desk.store, booking)
    refund = refund_of(desk.store, booking)
    too_much = Refund("ref_wrong", booking.id, refund.charge_id, refund.provider_charge_id, 1251, "EUR", is_done=False)
    assert not await desk.provider.refund(too_much)
    assert mortal_provider.refunds(booking.id) == []


async def test_a_service_that_dies_between_the_refund_and_its_record_does_not_pay_twice(
    ready_url: str, provider: Provider, clock: FixedClock
) -> None:
    async with working(ready_url, provider.url, clock) as first:
        booking = await paid(first)
        cancel(first.store, booking)
        assert await first.provider.refund(refund_of(first.store, booking))
    async with working(ready_url, provider.url, clock) as second:
        assert see(second.store, booking).payment_state == "processing"
        await second.pay_refunds()
        assert see(second.store, booking).payment_state == "refunded"
        assert sum((await balances(second)).values()) == 0
    assert len(provider.refunds(booking.id)) == 1


async def test_a_refund_waits_for_a_provider_that_is_away(desk: Desk, mortal_provider: Provider) -> None:
    booking = await paid(desk)
    cancel(desk.store, booking)
    mortal_provider.kill()
    await desk.pay_refunds()
    assert see(desk.store, booking).payment_state == "processing"
    mortal_provider.start()
    await desk.pay_refunds()
    assert len(mortal_provider.refunds(booking.id)) == 1
    assert see(desk.store, booking).payment_state == "refunded"


async def test_two_services_pay_a_refund_once(ready_postgresql_url: str, provider: Provider, clock: FixedClock) -> None:
    async with (
        working(ready_postgresql_url, provider.url, clock) as one,
        working(ready_postgresql_url, provider.url, clock) as other,
    ):
        bookings = [await paid(one) for _ in range(5)]
        for booking in bookings:
            cancel(one.store, booking)
        await asyncio.gather(one.pay_refunds(), other.pay_refunds(), one.pay_refunds(), other.pay_refunds())
        for booking in bookings:
            assert len(provider.refunds(booking.id)) == 1
            assert see(one.store, booking).payment_state == "refunded"
        assert await balances(one) == {"provider": 625, "sales": 0, "fees": -625, "refunds_due": 0}


async def test_the_service_pays_at_once_and_tries_again_what_failed(
    ready_sqlite_url: str,
    keys_dir: Path,
    mortal_provider: Provider,
    clock: FixedClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(loops, "REFUND_SECONDS", 0.1)
    mortal_provider.start()
    with_settings = service.settings(ready_sqlite_url, keys_dir, mortal_provider.url)
    async with service.serving(with_settings, clock) as booking:
        held = await booking.hold((await booking.publish(), 0, 3))
        await booking.confirm(held.id)
        mortal_provider.kill()
        cancelled = await booking.cancel(held.id)
        assert cancelled.state == bookings_pb2.BOOKING_STATE_CANCELLED
        assert cancelled.payment.state == bookings_pb2.PAYMENT_STATE_PROCESSING
        assert [row.is_done for row in rows(booking.store, REFUNDS)] == [False]
        mortal_provider.start()
        await until(lambda: [row.is_done for row in rows(booking.store, REFUNDS)] == [True])
        assert len(mortal_provider.refunds(held.id)) == 1
        history = pb.GetBookingHistoryRequest(booking_id=held.id)
        told = await booking.bookings.GetBookingHistory(history, metadata=booking.metadata())
        assert [entry.fact for entry in told.entries] == ["held", "confirmed", "cancelled", "refunded"]


async def test_a_refund_is_asked_for_as_soon_as_it_is_owed(on_sqlite: service.Booking, provider: Provider) -> None:
    held = await on_sqlite.hold((await on_sqlite.publish(), 0, 3))
    await on_sqlite.confirm(held.id)
    await on_sqlite.cancel(held.id)
    await until(lambda: provider.refunds(held.id), seconds=loops.REFUND_SECONDS / 2)
