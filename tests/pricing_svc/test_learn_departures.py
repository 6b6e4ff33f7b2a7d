"""A departure that was published a moment ago can be quoted at once."""

import asyncio
import time
from datetime import timedelta

import grpc
import pytest
import sqlalchemy as sa

from chassis.errors import Unavailable
from chassis.keys import Signer
from chassis.store import Store
from pricing_svc.flows import learn_departures as learning
from pricing_svc.flows.timetable import Timetable
from pricing_svc.loops import tidy
from pricing_svc.queries.quote_fare import quote_fare
from pricing_svc.settings import PricingSettings
from pricing_svc.store.patterns import TABLE
from pricing_svc.store.work import Work
from tests.clocks import FixedClock
from tests.pricing_svc import network, service
from tests.pricing_svc.network import asked, leg
from tests.pricing_svc.service import LIFETIME, NOBODY, Pricing, ask, refusal
from tests.pricing_svc.timetable import BookingsTimetable

ELSEWHERE = (network.LINE[0], network.LINE[2])


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


async def test_a_silent_booking_is_waited_for_one_second_for_patterns_too(pricing: Pricing, booking: BookingsTimetable):
    await rebuilt(pricing)
    await pricing.keep(network.departure("dep_1"))
    booking.add(network.message("dep_2", line=ELSEWHERE))
    booking.silent.add(booking.departures["dep_2"].pattern_id)
    began = time.monotonic()
    answer = await pricing.quotes([asked(leg("dep_1")), asked(leg("dep_2"))])
    assert 0.9 < time.monotonic() - began < 5
    assert [outcome.failure_reason for outcome in answer.outcomes] == ["", "DEPENDENCY_DOWN"]
    refused = await refusal(pricing.quote(asked(leg("dep_2"))))
    assert (refused.reason, refused.facts) == ("DEPENDENCY_DOWN", {"dependency": "booking"})
    booking.silent.clear()
    assert (await pricing.quote(asked(leg("dep_2")))).total.amount_minor == 505


async def test_a_pattern_that_many_need_at_once_is_asked_for_once(
    pricing: Pricing, booking: BookingsTimetable, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(learning, "LEARN_SECONDS", 20.0)  # how often it asks is the question, not how soon
    await rebuilt(pricing)
    booking.add(*(network.message(f"dep_{number}", line=ELSEWHERE) for number in range(30)))
    await asyncio.gather(*(pricing.quote(asked(leg(f"dep_{number}"))) for number in range(30)))
    assert booking.patterns_asked == [booking.departures["dep_0"].pattern_id]


async def test_a_pattern_that_was_forgotten_meanwhile_is_asked_for_again(
    serving_store: Store[Work], booking: BookingsTimetable, client: Timetable, clock: FixedClock
):
    learner = learning.Learning(serving_store, client)
    await learner.keep([network.departure("dep_1")])
    clock.advance(timedelta(days=4).total_seconds())
    await tidy(serving_store)
    later = network.departure("dep_2", start=network.START + timedelta(days=5))
    with pytest.raises(Unavailable):
        await learner.keep([later], message_id="evt_2")
    await learner.keep([later], message_id="evt_2")
    assert booking.patterns_asked == [later.pattern_id] * 2
    assert ask(serving_store, quote_fare, asked=asked(leg("dep_2")), lifetime=LIFETIME).total_minor == 505


async def test_a_departure_whose_pattern_another_process_forgot_is_learned_with_it(
    pricing: Pricing, booking: BookingsTimetable
):
    await rebuilt(pricing)
    booking.add(network.message("dep_1"))
    await pricing.keep(network.departure("dep_1"))
    await pricing.store.write(lambda work: work.connection.execute(sa.delete(TABLE)) and None)
    assert (await pricing.quote(asked())).total.amount_minor == 505
    assert (booking.asked, booking.patterns_asked) == (["dep_1"], [network.message().pattern_id])


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
