"""Each seat is sold once, however many ask for it at once, and the tests would notice if it were not."""

import asyncio
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import chain
from typing import Any

import pytest
import sqlalchemy as sa
from grpc import aio
from headway.booking.v1 import booking_service_pb2 as pb

from booking_svc.domain.booking import Booking
from booking_svc.domain.departure import Departure
from booking_svc.domain.errors import SeatTaken
from booking_svc.encode_event import encode_event
from booking_svc.store.bookings import ITEMS
from booking_svc.store.work import Work
from booking_svc.use_cases.hold_booking import hold_booking
from booking_svc.use_cases.release_booking import release_booking
from chassis.errors import Failure, LostRace
from chassis.rpc_errors import failure_of
from chassis.store import Store
from chassis.transaction import Transaction
from tests.booking_svc import service
from tests.booking_svc.bookings import item
from tests.booking_svc.builders import (
    HOLD_SECONDS,
    RIDER,
    Ride,
    ask,
    commit,
    hold,
    hold_wish,
    opened,
    passenger,
    publish,
    seats_free,
)
from tests.chassis.shelf import meeting
from tests.clocks import FixedClock

AT_A_TIME = 4
GUARD_OFF = ("HEADWAY_FAULTS_OFF", "seat_lock")


async def outcome_of(call: Any) -> str:
    """Await a hold over the wire; return its seat, or the reason why there is none."""
    try:
        return str((await call).items[0].seat_id)
    except aio.AioRpcError as error:
        return failure_of(error).reason


@pytest.mark.parametrize("is_named", [False, True])
async def test_thirty_callers_get_ten_seats(booking: service.Booking, is_named: bool) -> None:
    layout = await booking.layout([str(number) for number in range(10)])
    departure = await booking.publish(layout_id=layout.id)

    async def hold_seat(number: int) -> str:
        wanted = [str(number % 10)] if is_named else []
        rider = pb.PassengerInput(name="Ada Lovelace", category="adult", seat_ids=wanted)
        return await outcome_of(booking.hold((departure, 0, 3), passengers=[rider]))

    outcomes = Counter(await asyncio.gather(*map(hold_seat, range(30))))
    assert outcomes.pop("SEAT_TAKEN" if is_named else "SOLD_OUT") == 20
    assert outcomes == Counter(str(number) for number in range(10))
    assert seats_taken(booking.store) == Counter(
        {(departure.id, number, at): 1 for number in range(10) for at in range(3)}
    )


def seats_taken(store: Store[Work]) -> Counter[tuple[str, int, int]]:
    """Count how often each seat is sold on each segment, by the items alone."""
    live = sa.select(ITEMS).where(ITEMS.c.state.in_(["held", "confirmed"]))
    with store.database.reader.begin() as connection:
        return Counter(
            (row.departure_id, row.seat_index, segment)
            for row in connection.execute(live)
            for segment in range(row.origin_sequence, row.destination_sequence)
        )


@pytest.fixture
def two_stores(ready_postgresql_url: str, clock: FixedClock) -> Iterator[list[Store[Work]]]:
    """Two booking services on one PostgreSQL."""
    with ExitStack() as stack:
        stores = [stack.enter_context(opened(ready_postgresql_url, clock)) for _ in range(2)]
        for store in stores:
            store.start()
        yield stores


async def race(
    stores: Sequence[Store[Work]], wishes: Sequence[dict[str, Any]], *, is_opposed: bool = False
) -> Counter[str]:
    """Let every store run every wish, a few at a time so that their transactions alternate; count the outcomes.

    Opposed, the stores run the wishes of each few in different orders.
    """

    async def attempt(store: Store[Work], wish: dict[str, Any]) -> str:
        try:
            held: Booking = await store.write(hold_booking, **wish)
        except Failure as failure:
            return failure.reason
        return held.state

    async def attempt_all(store: Store[Work]) -> list[str]:
        found: list[str] = []
        for start in range(0, len(wishes), AT_A_TIME):
            few = wishes[start : start + AT_A_TIME][:: -1 if is_opposed and store is stores[-1] else 1]
            found += await asyncio.gather(*(attempt(store, wish) for wish in few))
        return found

    return Counter(chain(*await asyncio.gather(*map(attempt_all, stores))))


async def test_two_services_sell_two_hundred_named_seats_once_each(two_stores: list[Store[Work]]) -> None:
    departure = publish(two_stores[0], seats=200)
    wishes = [hold_wish((departure, 0, 3), passengers=[passenger(str(seat + 1))]) for seat in range(200)]
    assert await race(two_stores, wishes) == {"held": 200, "SEAT_TAKEN": 200}
    assert set(seats_taken(two_stores[0]).values()) == {1}
    assert seats_free(two_stores[0], departure) == 0


async def test_two_services_sell_two_hundred_seats_of_their_own_choice_once_each(
    two_stores: list[Store[Work]],
) -> None:
    departure = publish(two_stores[0], seats=200)
    assert await race(two_stores, [hold_wish((departure, 0, 3))] * 200) == {"held": 200, "SOLD_OUT": 200}
    assert set(seats_taken(two_stores[0]).values()) == {1}


async def test_two_services_take_the_seats_of_holds_that_are_over_once_each(
    two_stores: list[Store[Work]], clock: FixedClock
) -> None:
    departure = publish(two_stores[0], seats=60)
    for start in range(0, 60, 3):
        hold(two_stores[0], (departure, 0, 3), passengers=[passenger(str(start + n)) for n in (1, 2, 3)])
    clock.advance(HOLD_SECONDS)
    assert await race(two_stores, [hold_wish((departure, 0, 3))] * 60) == {"held": 60, "SOLD_OUT": 60}
    assert set(seats_taken(two_stores[0]).values()) == {1}


async def test_two_services_that_wait_for_each_other_in_a_circle_do_not_fail(two_stores: list[Store[Work]]) -> None:
    one, other = (publish(two_stores[0], seats=16) for _ in range(2))
    each = [hold_wish((one, 0, 3)), hold_wish((other, 0, 3))] * 4
    both = [hold_wish((one, 0, 3), (other, 0, 3)), hold_wish((other, 0, 3), (one, 0, 3))] * 4
    outcomes = await race(two_stores, [*each, *both], is_opposed=True)
    assert outcomes == {"held": 16 + 8, "SOLD_OUT": 8}
    assert set(seats_taken(two_stores[0]).values()) == {1}


async def test_groups_that_lock_departures_in_opposite_orders_do_not_deadlock(
    two_quiet_stores: list[Store[Work]],
) -> None:
    departures = sorted((publish(two_quiet_stores[0], seats=2) for _ in range(2)), key=lambda one: one.id)
    held = [[hold(two_quiet_stores[0], (departure, 0, 3)).id for departure in departures] for _ in range(2)]
    errors: list[Any] = []
    barrier = meeting()
    releases = []
    for store, (low, high) in zip(two_quiet_stores, (held[0], reversed(held[1])), strict=True):
        sa.event.listen(store.database.writer, "handle_error", errors.append)
        releases += [
            asyncio.ensure_future(store.write(release_booking, caller=RIDER, booking_id=low, version=0)),
            asyncio.ensure_future(store.write(lambda _work: barrier())),
            asyncio.ensure_future(store.write(release_booking, caller=RIDER, booking_id=high, version=0)),
        ]
    await asyncio.sleep(0)
    for store in two_quiet_stores:
        store.start()
    assert [one.state for one in await asyncio.gather(*releases) if one] == ["released"] * 4
    assert [error.original_exception.sqlstate for error in errors] == ["55P03"]
    assert [seats_free(two_quiet_stores[0], departure) for departure in departures] == [2, 2]


async def test_seats_that_come_and_go_on_two_services_are_counted_right(two_stores: list[Store[Work]]) -> None:
    departure = publish(two_stores[0], seats=4)
    refusals: set[str] = set()

    async def come_and_go(store: Store[Work]) -> int:
        held = 0
        for _ in range(20):
            try:
                booking: Booking = await store.write(hold_booking, **hold_wish((departure, 0, 3)))
            except Failure as failure:
                refusals.add(failure.reason)
                continue
            held += 1
            await store.write(release_booking, caller=RIDER, booking_id=booking.id, version=0)
        return held

    counts = await asyncio.gather(*(come_and_go(store) for store in two_stores for _ in range(4)))
    assert sum(counts) > 0
    assert refusals <= {"SOLD_OUT"}
    occupancy = ask(two_stores[0], lambda work: work.occupancies.get(departure))
    assert (occupancy.taken, occupancy.version) == ((0, 0, 0), 2 * sum(counts))
    assert not any(ask(two_stores[0], lambda work: work.occupancies.masks(departure.id)).values())


def hold_at_the_same_time(stores: Sequence[Store[Work]], *rides: Ride) -> None:
    """Let one service take seat 1, and another take it too before the first has committed."""
    wish = hold_wish(*rides, passengers=[passenger("1")])
    with ThreadPoolExecutor(1) as thread:
        with stores[0].database.writer.begin() as connection:
            hold_booking(Work(connection, stores[0].now(), encode=encode_event), **wish)
            Transaction.of(connection).flush(connection)
            second = thread.submit(commit, stores[1], hold_booking, **wish)
            while not is_somebody_waiting(stores[0]):
                assert not second.done(), "the second did not wait for the first"
                time.sleep(0.005)
        second.result(timeout=10)


def is_somebody_waiting(store: Store[Work]) -> bool:
    waiting = sa.text(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    with store.database.reader.begin() as connection:
        return bool(connection.execute(waiting).scalar())


@pytest.fixture
def two_quiet_stores(ready_postgresql_url: str, clock: FixedClock) -> Iterator[list[Store[Work]]]:
    with ExitStack() as stack:
        yield [stack.enter_context(opened(ready_postgresql_url, clock)) for _ in range(2)]


def test_who_waits_for_a_seat_sees_that_it_is_taken(two_quiet_stores: list[Store[Work]]) -> None:
    departure = sold_before(two_quiet_stores[0])
    with pytest.raises(SeatTaken):
        hold_at_the_same_time(two_quiet_stores, (departure, 0, 3))
    assert set(seats_taken(two_quiet_stores[0]).values()) == {1}


def test_without_the_guard_the_same_sells_a_seat_twice(
    two_quiet_stores: list[Store[Work]], monkeypatch: pytest.MonkeyPatch
) -> None:
    departure = sold_before(two_quiet_stores[0])
    monkeypatch.setenv(*GUARD_OFF)
    hold_at_the_same_time(two_quiet_stores, (departure, 0, 3))
    assert max(seats_taken(two_quiet_stores[0]).values()) == 2


def sold_before(store: Store[Work]) -> Departure:
    """Publish a departure of which a seat has been sold already, as most have."""
    departure = publish(store, seats=3)
    hold(store, (departure, 0, 3), passengers=[passenger("3")])
    return departure


def take_after_a_stale_read(store: Store[Work], *, first: int, second: int) -> Departure:
    """Take two seats, both by what was read before either was taken."""
    departure = sold_before(store)
    stale = ask(store, lambda work: work.occupancies.get(departure))
    for seat in (first, second):
        taken = item(seat, departure_id=departure.id, origin_sequence=0, destination_sequence=3)
        commit(store, lambda work, one=taken: work.occupancies.take(stale, [one]))
    return departure


@pytest.mark.parametrize("second", [0, 1])
def test_a_seat_is_not_taken_by_a_stale_read(store: Store[Work], second: int) -> None:
    with pytest.raises(LostRace):
        take_after_a_stale_read(store, first=0, second=second)


def test_a_seat_that_is_taken_is_not_taken_again_even_by_fresh_counts(store: Store[Work]) -> None:
    departure = sold_before(store)
    counts = ask(store, lambda work: work.occupancies.get(departure))
    again = item(2, departure_id=departure.id, origin_sequence=2, destination_sequence=3)
    with pytest.raises(LostRace):
        commit(store, lambda work: work.occupancies.take(counts, [again]))


@pytest.mark.parametrize("second", [0, 1])
def test_without_the_guard_a_stale_read_is_believed(
    store: Store[Work], second: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(*GUARD_OFF)
    departure = take_after_a_stale_read(store, first=0, second=second)
    # Three have sat down, and the count says two.
    assert ask(store, lambda work: work.occupancies.get(departure)).taken == (2, 2, 2)
