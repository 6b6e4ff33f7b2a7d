"""Many prices in one call, each answered for itself."""

from datetime import timedelta

import grpc
import pytest
from headway.pricing.v1 import fares_pb2, pricing_service_pb2

from chassis.errors import Failure
from chassis.keys import Purpose, Verifier
from chassis.store import Store
from pricing_svc.domain.quote import LegRequest, Quote, QuoteRequest
from pricing_svc.queries.quote_fare import quote_fare
from pricing_svc.queries.quote_fares import quote_fares
from pricing_svc.store.work import Work
from tests.pricing_svc import network
from tests.pricing_svc.network import asked, leg
from tests.pricing_svc.service import LIFETIME, Pricing, ask, keep, put_in_force, refusal
from tests.pricing_svc.test_quote_fare import REFUSALS, fill


def quotes(store: Store[Work], *requests: QuoteRequest) -> list[Quote | Failure]:
    return ask(store, quote_fares, asked=requests, lifetime=LIFETIME)


def test_each_request_is_answered_in_the_order_asked(store: Store[Work]):
    put_in_force(store, network.policy())
    keep(store, network.departure("dep_1"), network.departure("dep_2", state="CANCELLED"))
    found = quotes(
        store,
        asked(leg("dep_2")),
        asked(leg("dep_1")),
        asked(leg("dep_3")),
        QuoteRequest((), ("adult",)),
        asked(leg("dep_1"), categories=["child"]),
    )
    prices = [outcome.total_minor if isinstance(outcome, Quote) else outcome.reason for outcome in found]
    assert prices == ["DEPARTURE_CANCELLED", 555, "NOT_FOUND", "INVALID_VALUE", 278]


def test_a_price_is_the_same_in_a_batch_and_alone(store: Store[Work]):
    keep(store, *network.following(2))
    request = asked(leg("dep_0"), leg("dep_1", "stp_b", "stp_d"), categories=["adult", "senior", "infant"])
    alone = ask(store, quote_fare, asked=request, lifetime=LIFETIME)
    (in_batch,) = quotes(store, request)
    assert isinstance(in_batch, Quote)
    assert (in_batch.fares, in_batch.total_minor, in_batch.legs) == (alone.fares, alone.total_minor, alone.legs)
    assert in_batch.id != alone.id


def test_a_request_that_no_database_could_be_asked_harms_no_other(store: Store[Work]):
    keep(store, network.departure())
    found = quotes(store, asked(LegRequest("dep\0", "stp_a", "stp_b")), asked())
    assert [type(outcome) is Quote for outcome in found] == [False, True]


def test_nothing_asked_is_nothing_answered(store: Store[Work]):
    assert quotes(store) == []


async def test_every_refusal_of_a_quote_is_a_reason_in_a_batch(pricing: Pricing):
    await fill(pricing)
    answer = await pricing.quotes([request for request, *_ in REFUSALS.values()])
    assert [outcome.failure_reason for outcome in answer.outcomes] == [reason for _, _, reason, _ in REFUSALS.values()]


async def test_quotes_of_a_batch_are_signed_each(pricing: Pricing, keys_dir):
    await pricing.keep(network.departure())
    answer = await pricing.quotes([asked(), asked(leg(destination="stp_b"))])
    verifier = Verifier(keys_dir / "trusted")
    for outcome in answer.outcomes:
        claims = verifier.check(outcome.quote.token, Purpose("quote+jwt", "pricing"), now=pricing.clock.now())
        assert (claims["quote_id"], claims["total_minor"]) == (outcome.quote.id, outcome.quote.total.amount_minor)


async def test_prices_to_show_are_the_totals_of_quotes_and_nothing_else(pricing: Pricing):
    await pricing.keep(network.departure())
    requests = [asked(), asked(leg("dep_none"))]
    signed, failed = (await pricing.quotes(requests)).outcomes
    assert signed.quote.token
    shown, unknown = (await pricing.quotes(requests, is_without_tokens=True)).outcomes
    assert shown.quote == fares_pb2.Quote(total=signed.quote.total)
    assert unknown == failed


async def test_two_hundred_quotes_are_answered_and_one_more_is_refused(pricing: Pricing):
    await pricing.keep(*(network.departure(f"dep_{number}") for number in range(200)))
    requests = [asked(leg(f"dep_{number}"), categories=["adult"] * 4) for number in range(200)]
    answer = await pricing.quotes(requests)
    assert [outcome.quote.legs[0].departure_id for outcome in answer.outcomes] == [f"dep_{n}" for n in range(200)]
    assert {outcome.quote.total.amount_minor for outcome in answer.outcomes} == {4 * 505}
    refused = await refusal(pricing.quotes([*requests, requests[0]]))
    assert (refused.code, refused.reason, refused.pointers) == (
        grpc.StatusCode.INVALID_ARGUMENT,
        "INVALID_VALUE",
        ["/quotes"],
    )


async def test_the_largest_batch_fits_into_an_answer_and_a_larger_is_refused(pricing: Pricing):
    await pricing.keep(network.departure("dep_1"), network.departure("dep_2"))
    largest = [asked(categories=["child"] * 50)] * 200
    answer = await pricing.quotes(largest)
    assert sum(len(outcome.quote.lines) for outcome in answer.outcomes) == 200 * 50 * 3
    refused = await refusal(pricing.quotes([asked(leg("dep_1"), leg("dep_2"), categories=["child"] * 50)] * 101))
    assert refused.pointers == ["/quotes"]


async def test_an_empty_batch_is_answered_by_nothing(pricing: Pricing):
    answer = await pricing.stub.QuoteFares(pricing_service_pb2.QuoteFaresRequest())
    assert list(answer.outcomes) == []


@pytest.mark.parametrize("seconds", [0, 3600])
async def test_a_batch_goes_by_the_time_of_the_call(pricing: Pricing, seconds: float):
    start = pricing.clock.now() + timedelta(minutes=30)
    await pricing.keep(network.departure(start=start))
    pricing.clock.advance(seconds)
    (outcome,) = (await pricing.quotes([asked()])).outcomes
    assert outcome.failure_reason == ("DEPARTURE_GONE" if seconds else "")
