"""Whatever dies on the way, a rider is charged once or not at all, and everybody knows which."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from headway.booking.v1 import bookings_pb2

from booking_svc.domain.booking import Booking
from booking_svc.domain.errors import IllegalState
from booking_svc.domain.payment import Charge
from booking_svc.store.work import Work
from booking_svc.use_cases.begin_payment import ACTION_GRACE, begin_payment
from booking_svc.use_cases.expire_holds import expire_holds
from chassis.errors import RequestInFlight
from chassis.replies import Replies
from chassis.store import Store
from tests.booking_svc import builders
from tests.booking_svc.builders import HOLD_SECONDS, RIDER, hold, publish, rows, seats_free, see, until
from tests.booking_svc.desk import GIVE_UP_SECONDS, Desk, once, working
from tests.booking_svc.payments import Provider
from tests.clocks import FixedClock

CONFIRMED = bookings_pb2.BOOKING_STATE_CONFIRMED
PROCESSING, CAPTURED, UNKNOWN = (
    bookings_pb2.PAYMENT_STATE_PROCESSING,
    bookings_pb2.PAYMENT_STATE_CAPTURED,
    bookings_pb2.PAYMENT_STATE_UNKNOWN,
)


@pytest.fixture
async def desk(ready_url: str, mortal_provider: Provider, clock: FixedClock) -> AsyncIterator[Desk]:
    """A desk whose provider does not run yet."""
    async with working(ready_url, mortal_provider.url, clock) as desk:
        yield desk


def held(store: Store[Work]) -> Booking:
    return hold(store, (publish(store), 0, 3))


async def begin(desk: Desk, booking: Booking, *, key: str = "k1") -> Charge:
    """Do the first half of a confirmation, as a process does that dies before it asks the provider."""
    _, charge = await desk.store.write(
        begin_payment, once=once(key).opening(), caller=RIDER, booking_id=booking.id, version=0, waiting=once(key)
    )
    return charge


def open_keys(store: Store[Work]) -> int:
    return len([row for row in rows(store, Replies.table) if row.reply is None])


@pytest.mark.parametrize("mortal_provider", ["before_capture"], indirect=True)
async def test_a_provider_that_dies_before_it_captures_has_charged_nothing(
    desk: Desk, mortal_provider: Provider, clock: FixedClock
) -> None:
    mortal_provider.start()
    booking = held(desk.store)
    assert (await desk.confirm(booking.id, "tok_success")).payment.state == UNKNOWN
    mortal_provider.wait()
    mortal_provider.start()
    await desk.resolve()
    # It may still come: a request may be on its way.
    assert see(desk.store, booking).payment_state == "unknown"
    clock.advance(GIVE_UP_SECONDS)
    await desk.resolve()
    assert (see(desk.store, booking).state, see(desk.store, booking).payment_state) == ("held", "declined")
    assert open_keys(desk.store) == 0
    assert (await desk.confirm(booking.id, "tok_success")).payment.state == CAPTURED
    assert mortal_provider.captured_minor(booking.id) == [1250]


@pytest.mark.parametrize("mortal_provider", ["after_capture"], indirect=True)
async def test_a_provider_that_dies_after_it_captures_has_charged_once(desk: Desk, mortal_provider: Provider) -> None:
    mortal_provider.start()
    booking = held(desk.store)
    assert (await desk.confirm(booking.id, "tok_success")).payment.state == UNKNOWN
    mortal_provider.wait()
    mortal_provider.start()
    await desk.resolve()
    assert see(desk.store, booking).state == "confirmed"
    assert mortal_provider.captured_minor(booking.id) == [1250]
    assert (await desk.confirm(booking.id, "tok_success")).state == CONFIRMED


async def test_nothing_expires_while_the_provider_is_away(
    desk: Desk, mortal_provider: Provider, clock: FixedClock
) -> None:
    booking = held(desk.store)
    departure = booking.legs[0]
    assert (await desk.confirm(booking.id, "tok_success")).payment.state == UNKNOWN
    clock.advance(HOLD_SECONDS + GIVE_UP_SECONDS)
    await desk.resolve()
    assert await desk.store.write(expire_holds) == 0
    assert see(desk.store, booking).state == "held"
    mortal_provider.start()
    await desk.resolve()
    # Nothing was ever charged, and now nothing can be: the time of the hold is over.
    assert see(desk.store, booking).state == "expired"
    assert await desk.store.write(expire_holds) == 1
    assert mortal_provider.captured_minor(booking.id) == []
    found = await desk.store.read(lambda work: work.departures.get(departure.departure_id))
    assert seats_free(desk.store, found) == 50


async def test_a_hold_runs_on_after_a_payment_that_never_was(
    desk: Desk, mortal_provider: Provider, clock: FixedClock
) -> None:
    booking = held(desk.store)
    await desk.confirm(booking.id, "tok_success")
    mortal_provider.start()
    clock.advance(GIVE_UP_SECONDS - 0.001)
    await desk.resolve()
    assert see(desk.store, booking).payment_state == "unknown"
    clock.advance(0.001)
    await desk.resolve()
    seen = see(desk.store, booking)
    assert (seen.payment_state, seen.hold_expires_at) == ("declined", booking.hold_expires_at)
    assert (await desk.confirm(booking.id, "tok_success", key="k2")).state == CONFIRMED


async def test_a_request_that_comes_after_the_charge_was_given_up_charges_nothing(
    desk: Desk, mortal_provider: Provider, clock: FixedClock
) -> None:
    booking = held(desk.store)
    charge = await begin(desk, booking)
    mortal_provider.start()
    clock.advance(GIVE_UP_SECONDS)
    await desk.resolve()
    late = await desk.provider.charge(charge, token="tok_success")
    assert (late.state, late.decline_reason) == ("declined", "voided")
    assert mortal_provider.captured_minor(booking.id) == []
    assert see(desk.store, booking).payment_state == "declined"


async def test_a_service_that_dies_before_it_asks_is_found_out_by_the_next(
    ready_url: str, provider: Provider, clock: FixedClock
) -> None:
    async with working(ready_url, provider.url, clock) as first:
        booking = held(first.store)
        await begin(first, booking)
    async with working(ready_url, provider.url, clock) as second:
        with pytest.raises(RequestInFlight):
            await second.confirm(booking.id, "tok_success")
        clock.advance(GIVE_UP_SECONDS)
        await second.resolve()
        assert see(second.store, booking).payment_state == "declined"
        assert (await second.confirm(booking.id, "tok_success")).state == CONFIRMED
    assert provider.captured_minor(booking.id) == [1250]


async def test_a_service_that_dies_before_it_records_is_found_out_by_the_next(
    ready_url: str, provider: Provider, clock: FixedClock
) -> None:
    async with working(ready_url, provider.url, clock) as first:
        booking = held(first.store)
        charge = await begin(first, booking)
        assert (await first.provider.charge(charge, token="tok_success")).state == "captured"
    async with working(ready_url, provider.url, clock) as second:
        await second.resolve()
        seen = see(second.store, booking)
        assert (seen.state, seen.payment_state) == ("confirmed", "captured")
        # The rider's client repeats with its key and is told what the dead process could not say.
        assert (await second.confirm(booking.id, "tok_success")).state == CONFIRMED
        assert sum((await second.store.read(builders.account_balances)).values()) == 0
    assert provider.captured_minor(booking.id) == [1250]


async def test_a_service_that_stops_leaves_a_slow_charge_to_the_next(
    ready_url: str, provider: Provider, clock: FixedClock
) -> None:
    async with working(ready_url, provider.url, clock, wait_seconds=0.05) as first:
        booking = held(first.store)
        assert (await first.confirm(booking.id, "tok_slow")).payment.state == PROCESSING
    async with working(ready_url, provider.url, clock) as second:

        async def is_known() -> bool:
            await second.resolve()
            return bool(see(second.store, booking).state == "confirmed")

        await until(is_known)
    assert provider.captured_minor(booking.id) == [1250]


async def test_a_refusal_is_told_however_little_patience_there_is(
    ready_url: str, provider: Provider, clock: FixedClock
) -> None:
    async with working(ready_url, provider.url, clock, wait_seconds=0) as desk:
        booking = held(desk.store)
        assert (await desk.confirm(booking.id, "tok_success")).payment.state == PROCESSING
        await until(lambda: see(desk.store, booking).state == "confirmed")
        with pytest.raises(IllegalState):
            await desk.confirm(booking.id, "tok_success", key="k2")


async def test_a_caller_that_goes_away_at_once_does_not_leave_a_charge_behind(
    ready_url: str, provider: Provider, clock: FixedClock
) -> None:
    async with working(ready_url, provider.url, clock) as desk:
        booking = held(desk.store)
        asked = asyncio.ensure_future(desk.confirm(booking.id, "tok_success"))
        await asyncio.sleep(0)
        asked.cancel()
        await until(lambda: see(desk.store, booking).state == "confirmed")
    assert provider.captured_minor(booking.id) == [1250]


async def test_two_services_that_learn_the_same_record_it_once(
    ready_postgresql_url: str, provider: Provider, clock: FixedClock
) -> None:
    async with (
        working(ready_postgresql_url, provider.url, clock) as one,
        working(ready_postgresql_url, provider.url, clock) as other,
    ):
        bookings = [held(one.store) for _ in range(5)]
        for booking in bookings:
            charge = await begin(one, booking, key=booking.id)
            await one.provider.charge(charge, token="tok_success")
        await asyncio.gather(one.resolve(), other.resolve(), one.resolve(), other.resolve())
        for booking in bookings:
            seen = see(one.store, booking)
            assert (seen.state, seen.version) == ("confirmed", 3)
            assert provider.captured_minor(booking.id) == [1250]
        balances = await one.store.read(builders.account_balances)
        assert balances == {("provider", "EUR"): 5 * 1250, ("sales", "EUR"): -5 * 1250}


async def test_a_rider_at_the_bank_is_waited_for_beyond_the_hold_but_not_for_ever(
    ready_url: str, provider: Provider, clock: FixedClock
) -> None:
    async with working(ready_url, provider.url, clock) as desk:
        booking = held(desk.store)
        await desk.confirm(booking.id, "tok_action_required")
        clock.advance(HOLD_SECONDS + ACTION_GRACE.total_seconds() - 0.001)
        await desk.resolve()
        assert (see(desk.store, booking).state, await desk.store.write(expire_holds)) == ("held", 0)
        clock.advance(0.001)
        await desk.resolve()
        assert (see(desk.store, booking).state, await desk.store.write(expire_holds)) == ("expired", 1)


async def test_one_charge_that_cannot_be_told_does_not_keep_others_from_being_known(
    ready_url: str, provider: Provider, clock: FixedClock
) -> None:
    async with working(ready_url, provider.url, clock) as desk:
        waiting, paid = held(desk.store), held(desk.store)
        await begin(desk, waiting, key="k1")
        charge = await begin(desk, paid, key="k2")
        await desk.provider.charge(charge, token="tok_success")
        await desk.resolve()
        assert (see(desk.store, waiting).state, see(desk.store, paid).state) == ("held", "confirmed")
