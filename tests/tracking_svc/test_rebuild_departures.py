"""Read models that were lost are built again from booking's list, and patterns are learned as they are met."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from chassis.errors import Unavailable
from chassis.keys import open_signer
from chassis.rpc_client import ServiceIdentity
from chassis.store import Store
from tests.clocks import FixedClock
from tests.pricing_svc.timetable import serving
from tests.tracking_svc.timetable import START, BookingsTimetable, days, departure_message, pattern_message
from tests.tracking_svc.timetable import departure as made
from tracking_svc.flows.learn_departures import Learning
from tracking_svc.flows.rebuild_departures import STEP_DEPARTURES, rebuild_departures
from tracking_svc.flows.timetable import Timetable
from tracking_svc.store.work import Work

MANY = STEP_DEPARTURES + 3


@pytest.fixture
async def booking(keys_dir, clock: FixedClock) -> AsyncIterator[BookingsTimetable]:
    found = BookingsTimetable()
    async with serving(found, keys_dir, clock) as address:
        found.address = address
        yield found


@pytest.fixture
async def client(booking: BookingsTimetable, keys_dir, clock: FixedClock) -> AsyncIterator[Timetable]:
    found = Timetable(booking.address, ServiceIdentity(open_signer("tracking", keys_dir), now=clock.now))
    yield found
    await found.close()


@pytest.fixture
def learning(store: Store[Work], client: Timetable) -> Learning:
    store.start()
    return Learning(store, client)


def fill(booking: BookingsTimetable) -> None:
    booking.know(pattern_message("pat_0"), pattern_message("pat_1"))
    for number in range(MANY):
        booking.add(departure_message(f"dep_{number:04}", pattern_id=f"pat_{number % 2}"))


async def count(store: Store[Work]) -> int:
    ids = [f"dep_{number:04}" for number in range(MANY)]
    return len(await store.read(lambda work: work.departures.find(ids)))


async def test_every_departure_is_read_in_steps_and_each_pattern_once(
    store: Store[Work], booking: BookingsTimetable, client: Timetable, learning: Learning
):
    fill(booking)
    await rebuild_departures(store, client, learning)
    assert await count(store) == MANY
    assert {(page.limit, page.is_without_calls) for page in booking.pages} == {(STEP_DEPARTURES, True)}
    assert sorted(booking.patterns_asked) == ["pat_0", "pat_1"]
    assert booking.callers == {"tracking"}


async def test_a_rebuild_is_done_once(
    store: Store[Work], booking: BookingsTimetable, client: Timetable, learning: Learning
):
    await rebuild_departures(store, client, learning)
    pages = len(booking.pages)
    await rebuild_departures(store, client, learning)
    assert len(booking.pages) == pages


async def test_a_rebuild_that_was_cut_short_is_done_again(
    store: Store[Work], booking: BookingsTimetable, client: Timetable, learning: Learning
):
    fill(booking)
    booking.breaks_after_pages = 1
    with pytest.raises(Unavailable):
        await rebuild_departures(store, client, learning)
    booking.breaks_after_pages = -1
    await rebuild_departures(store, client, learning)
    assert await count(store) == MANY


async def test_what_is_over_is_left_out(
    store: Store[Work], booking: BookingsTimetable, client: Timetable, learning: Learning
):
    fill(booking)
    booking.add(departure_message("dep_0000", start=START - days(3)))
    await rebuild_departures(store, client, learning)
    assert await count(store) == MANY - 1


async def test_many_that_meet_a_pattern_at_once_ask_for_it_once(
    store: Store[Work], booking: BookingsTimetable, learning: Learning
):
    booking.know(pattern_message())
    await asyncio.gather(*(learning.learn_departures([made(f"dep_{number:04}")]) for number in range(20)))
    assert await count(store) == 20
    assert booking.patterns_asked == ["pat_1"]


async def test_without_booking_the_event_comes_again(
    store: Store[Work], booking: BookingsTimetable, learning: Learning
):
    booking.know(pattern_message())
    booking.is_down = True
    with pytest.raises(Unavailable):
        await learning.learn_departures([made("dep_0001")], message_id="evt_1")
    booking.is_down = False
    await learning.learn_departures([made("dep_0001")], message_id="evt_1")
    assert await count(store) == 1


async def test_a_departure_whose_pattern_cannot_be_followed_stops_no_other(
    store: Store[Work], booking: BookingsTimetable, learning: Learning
):
    booking.know(pattern_message(), pattern_message("pat_short", stops=1))
    told = [made("dep_0001"), made("dep_0002", pattern_id="pat_short"), made("dep_0003", pattern_id="pat_gone")]
    await learning.learn_departures(told)
    assert await count(store) == 1
