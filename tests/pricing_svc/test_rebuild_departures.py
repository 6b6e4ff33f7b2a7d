"""A read model that was lost is built again from booking's list."""

import pytest

from chassis.errors import Unavailable
from chassis.keys import Signer
from chassis.store import Store
from pricing_svc.flows.learn_departures import Learning
from pricing_svc.flows.rebuild_departures import rebuild_departures
from pricing_svc.flows.timetable import Timetable
from pricing_svc.settings import PricingSettings
from pricing_svc.store.work import Work
from pricing_svc.use_cases.keep_departures import STEP_DEPARTURES
from tests.clocks import FixedClock
from tests.pricing_svc import network, service, timetable
from tests.pricing_svc.network import asked, leg
from tests.pricing_svc.service import keep
from tests.pricing_svc.timetable import BookingsTimetable

MANY = 2 * STEP_DEPARTURES + 3


async def versions(store: Store[Work]) -> dict[str, int]:
    ids = [f"dep_{number:04}" for number in range(MANY)]
    found = await store.read(lambda work: work.departures.find(ids))
    return {id_: departure.version for id_, departure in found.items()}


def fill(booking: BookingsTimetable, *, version: int = 1) -> None:
    booking.add(*(network.message(f"dep_{number:04}", version=version) for number in range(MANY)))


async def test_every_departure_is_read_in_steps_in_our_own_name(
    serving_store: Store[Work], booking: BookingsTimetable, client: Timetable
):
    fill(booking)
    await rebuild_departures(serving_store, client, Learning(serving_store, client))
    assert len(await versions(serving_store)) == MANY
    assert {page.limit for page in booking.pages} == {STEP_DEPARTURES}
    assert len(booking.pages) == 4
    assert booking.callers == {"pricing"}


async def test_it_is_done_once(serving_store: Store[Work], booking: BookingsTimetable, client: Timetable):
    await rebuild_departures(serving_store, client, Learning(serving_store, client))
    fill(booking)
    pages = len(booking.pages)
    await rebuild_departures(serving_store, client, Learning(serving_store, client))
    assert len(booking.pages) == pages


async def test_one_that_was_cut_short_is_done_again(
    serving_store: Store[Work], booking: BookingsTimetable, client: Timetable
):
    fill(booking)
    booking.breaks_after_pages = 1
    with pytest.raises(Unavailable) as caught:
        await rebuild_departures(serving_store, client, Learning(serving_store, client))
    assert caught.value.facts["dependency"] == "booking"
    assert len(await versions(serving_store)) == STEP_DEPARTURES
    booking.breaks_after_pages = -1
    await rebuild_departures(serving_store, client, Learning(serving_store, client))
    assert len(await versions(serving_store)) == MANY


async def test_a_pattern_is_asked_for_once_however_many_departures_follow_it(
    serving_store: Store[Work], booking: BookingsTimetable, client: Timetable
):
    fill(booking)
    await rebuild_departures(serving_store, client, Learning(serving_store, client))
    assert booking.patterns_asked == [network.message().pattern_id]


async def test_what_events_told_meanwhile_is_not_undone(
    serving_store: Store[Work], booking: BookingsTimetable, client: Timetable
):
    fill(booking, version=5)
    keep(serving_store, network.departure("dep_0001", version=9), network.departure("dep_0002", version=4))
    await rebuild_departures(serving_store, client, Learning(serving_store, client))
    found = await versions(serving_store)
    assert (found["dep_0000"], found["dep_0001"], found["dep_0002"]) == (5, 9, 5)


async def test_departures_that_cannot_be_priced_stop_no_others(
    serving_store: Store[Work], booking: BookingsTimetable, client: Timetable
):
    fill(booking)
    for number in range(STEP_DEPARTURES + 1):
        network.alter(booking.departures[f"dep_{number:04}"], 1, distance_meters=float("nan"))
    await rebuild_departures(serving_store, client, Learning(serving_store, client))
    assert len(await versions(serving_store)) == MANY - STEP_DEPARTURES - 1


async def test_a_service_that_starts_empty_before_booking_rebuilds_when_booking_comes(
    settings: PricingSettings, gateway: Signer, clock: FixedClock, keys_dir
):
    late = BookingsTimetable()
    late.add(network.message("dep_1"))
    async with timetable.serving(late, keys_dir, clock) as address:
        pass
    assert late.pages == []
    apart = settings.model_copy(update={"booking_address": address})
    async with service.serving(apart, gateway, clock) as pricing:
        assert not await pricing.knows("dep_1")
        async with timetable.serving(late, keys_dir, clock, port=int(address.rpartition(":")[2])):
            await service.until(lambda: pricing.knows("dep_1"), seconds=20)
        assert (await pricing.quote(asked(leg()))).total.amount_minor == 505
    assert late.asked == []
