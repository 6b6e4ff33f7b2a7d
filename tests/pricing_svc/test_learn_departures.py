"""A departure that was published a moment ago can be quoted at once."""

import asyncio
import time
from datetime import timedelta

import grpc
import pytest

from chassis.keys import Signer
from pricing_svc.flows import learn_departures as learning
from pricing_svc.settings import PricingSettings
from tests.clocks import FixedClock
from tests.pricing_svc import network, service
from tests.pricing_svc.network import asked, leg
from tests.pricing_svc.service import NOBODY, Pricing, refusal
from tests.pricing_svc.timetable import BookingsTimetable


async def rebuilt(pricing: Pricing) -> None:
    """Wait until the service will ask for no list any more."""
    await service.until(lambda: pricing.store.read(lambda work: work.rebuilds.is_finished("departures")))


async def test_a_departure_unknown_here_is_asked_for_once_and_kept(pricing: Pricing, booking: BookingsTimetable):
    await rebuilt(pricing)
    booking.add(network.message("dep_1"))
    first = await pricing.quote(asked())
    again = await pricing.quote(asked())
    assert first.total == again.total
    assert first.total.amount_minor == 505
    assert booking.asked == ["dep_1"]
    assert await pricing.knows("dep_1")


async def test_all_departures_of_a_quote_are_asked_for_at_once(pricing: Pricing, booking: BookingsTimetable):
    await rebuilt(pricing)
    booking.add(network.message("dep_1"), network.message("dep_2", start=network.START + timedelta(days=1)))
    await pricing.quote(asked(leg("dep_1"), leg("dep_2")))
    assert sorted(booking.asked) == ["dep_1", "dep_2"]


async def test_a_departure_that_booking_has_not_is_not_found(pricing: Pricing, booking: BookingsTimetable):
    refused = await refusal(pricing.quote(asked(leg("dep_404"))))
    assert (refused.code, refused.reason) == (grpc.StatusCode.NOT_FOUND, "NOT_FOUND")
    assert booking.asked == ["dep_404"]


async def test_a_request_out_of_bounds_asks_booking_nothing(pricing: Pricing, booking: BookingsTimetable):
    await refusal(pricing.quote(asked(leg("dep_404"), categories=[])))
    assert booking.asked == []


async def test_a_departure_that_cannot_be_priced_is_as_if_there_were_none(pricing: Pricing, booking: BookingsTimetable):
    await rebuilt(pricing)
    booking.add(network.alter(network.message(), 1, distance_meters=float("nan")))
    refused = await refusal(pricing.quote(asked()))
    assert refused.code is grpc.StatusCode.NOT_FOUND


async def test_without_booking_known_departures_are_priced_and_others_wait(
    settings: PricingSettings, gateway: Signer, clock: FixedClock
):
    alone = settings.model_copy(update={"booking_address": NOBODY})
    async with service.serving(alone, gateway, clock) as pricing:
        await pricing.keep(network.departure("dep_1"))
        assert (await pricing.quote(asked())).total.amount_minor == 505
        refused = await refusal(pricing.quote(asked(leg("dep_2"))))
        assert (refused.code, refused.reason) == (grpc.StatusCode.UNAVAILABLE, "DEPENDENCY_DOWN")
        assert refused.facts == {"dependency": "booking"}
        answer = await pricing.quotes([asked(), asked(leg("dep_2"))])
        assert [outcome.failure_reason for outcome in answer.outcomes] == ["", "DEPENDENCY_DOWN"]


async def test_a_silent_booking_is_waited_for_one_second_in_all(pricing: Pricing, booking: BookingsTimetable):
    await rebuilt(pricing)
    ids = [f"dep_{number}" for number in range(40)]
    booking.silent.update(ids[1:])
    booking.add(network.message(ids[0]))
    began = time.monotonic()
    answer = await pricing.quotes([asked(leg(id_)) for id_ in ids])
    assert 0.9 < time.monotonic() - began < 5
    assert [outcome.failure_reason for outcome in answer.outcomes] == ["", *["DEPENDENCY_DOWN"] * 39]


async def test_a_batch_learns_what_exists_and_tells_what_does_not(pricing: Pricing, booking: BookingsTimetable):
    await rebuilt(pricing)
    booking.add(*(network.message(f"dep_{number}") for number in range(0, 100, 2)))
    answer = await pricing.quotes([asked(leg(f"dep_{number}")) for number in range(100)], is_without_tokens=True)
    assert [outcome.failure_reason for outcome in answer.outcomes] == ["", "NOT_FOUND"] * 50
    assert sorted(booking.asked) == sorted(f"dep_{number}" for number in range(100))


async def test_one_batch_asks_for_no_more_than_a_page_of_departures(
    pricing: Pricing, booking: BookingsTimetable, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(learning, "LEARN_MAX", 3)
    answer = await pricing.quotes([asked(leg(f"dep_{number}")) for number in range(5)])
    assert len(booking.asked) == 3
    reasons = [outcome.failure_reason for outcome in answer.outcomes]
    assert reasons == ["NOT_FOUND"] * 3 + ["DEPENDENCY_DOWN"] * 2


async def test_an_older_answer_of_booking_does_not_undo_a_newer_event(pricing: Pricing, booking: BookingsTimetable):
    await rebuilt(pricing)
    booking.add(network.message("dep_1", version=1))
    booking.answering.clear()
    waiting = asyncio.ensure_future(refusal(pricing.quote(asked())))
    await service.until(lambda: booking.asked)
    await pricing.keep(network.departure("dep_1", version=2, state="CANCELLED"))
    booking.answering.set()
    assert (await waiting).reason == "DEPARTURE_CANCELLED"
