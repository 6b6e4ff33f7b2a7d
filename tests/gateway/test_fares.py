"""The fares' routes: what is asked of the pricing service, and what becomes of its answers."""

from collections.abc import AsyncIterator

import pytest
from headway.pricing.v1 import fares_pb2, pricing_service_pb2
from headway.types.v1 import timetable_pb2

from chassis.errors import LostRace, NotFound
from gateway.preconditions import etag
from tests.gateway.recording_services import QUOTE, QUOTE_IN_JSON, Edge, gateway_and_services, pointers
from tests.gateway.running import problem

RIDE = {"departure_id": "dep_1", "origin_stop_id": "stp_1", "destination_stop_id": "stp_2"}
TO_QUOTE = {"legs": [RIDE], "passengers": [{"category": "adult"}, {"category": "child"}]}
ASKED = pricing_service_pb2.QuoteFareRequest(
    legs=[timetable_pb2.LegRequest(**RIDE)], passenger_categories=["adult", "child"]
)
RULES = {
    "currency": "EUR",
    "base_minor": 200,
    "per_kilometer_minor": 12,
    "categories": [{"category": "adult", "percent": 100}, {"category": "child", "percent": 50}],
    "minimum_minor": 100,
    "maximum_minor": 5000,
    "rounding_minor": 5,
    "zone_fares": [{"origin_zone_id": "A", "destination_zone_id": "B", "feed_route_id": "X7", "amount_minor": 350}],
}


def policy(*, version: int = 0, is_published: bool = False, **fields: str) -> fares_pb2.FarePolicy:
    return fares_pb2.FarePolicy(id="op", version=version, is_published=is_published, **fields, **RULES)


def in_json(*, version: int, is_published: bool) -> dict[str, object]:
    return RULES | {"id": "op", "operator_id": "op", "version": version, "is_published": is_published, "feed_id": ""}


@pytest.fixture(scope="module")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Edge]:
    async with gateway_and_services(tmp_path_factory.mktemp("gateway")) as edge:
        yield edge


@pytest.fixture
def edge(running: Edge) -> Edge:
    running.services.forget()
    return running


async def test_quote_fare_needs_neither_token_nor_key(edge: Edge):
    edge.services.answers("QuoteFare", QUOTE)
    reply = await edge.client.post("/v1/quotes", json=TO_QUOTE)
    assert (reply.status_code, reply.json()) == (201, QUOTE_IN_JSON)
    assert edge.services.last("QuoteFare").message == ASKED


async def test_quote_fare_takes_extras_and_codes_only_when_there_are_none(edge: Edge):
    edge.services.answers("QuoteFare", QUOTE)
    none = await edge.client.post("/v1/quotes", json=TO_QUOTE | {"extras": [], "promo_code": None})
    assert none.status_code == 201
    some = await edge.client.post("/v1/quotes", json=TO_QUOTE | {"extras": [{"kind": "bicycle", "quantity": 1}]})
    assert pointers(problem(some, 422, "invalid_value")) == {"/extras"}


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"legs": []}, "/legs"),
        ({"legs": [RIDE] * 7}, "/legs"),
        ({"legs": [RIDE | {"origin_stop_id": "a b"}]}, "/legs/0/origin_stop_id"),
        ({"passengers": []}, "/passengers"),
        ({"passengers": [{"category": "adult"}] * 51}, "/passengers"),
        ({"passengers": [{"category": ""}]}, "/passengers/0/category"),
        ({"passengers": [{}]}, "/passengers/0/category"),
    ],
)
async def test_quote_fare_points_at_what_is_wrong_and_asks_nobody(edge: Edge, change: dict, pointer: str):
    reply = await edge.client.post("/v1/quotes", json=TO_QUOTE | change)
    assert pointers(problem(reply, 422, "invalid_value")) == {pointer}
    assert edge.services.calls == []


async def test_quote_fares_answers_each_with_a_price_or_a_reason(edge: Edge):
    outcomes = [
        pricing_service_pb2.QuoteFareOutcome(quote=QUOTE),
        pricing_service_pb2.QuoteFareOutcome(failure_reason="NOT_SERVED"),
    ]
    edge.services.answers("QuoteFares", pricing_service_pb2.QuoteFaresResponse(outcomes=outcomes))
    reply = await edge.client.post("/v1/quotes/batch", json={"quotes": [TO_QUOTE, TO_QUOTE]})
    assert (reply.status_code, reply.json()) == (200, {"items": [{"quote": QUOTE_IN_JSON}, {"code": "not_served"}]})
    assert edge.services.last("QuoteFares").message == pricing_service_pb2.QuoteFaresRequest(quotes=[ASKED, ASKED])


async def test_quote_fares_points_into_the_batch(edge: Edge):
    reply = await edge.client.post("/v1/quotes/batch", json={"quotes": [TO_QUOTE, TO_QUOTE | {"legs": []}]})
    assert pointers(problem(reply, 422, "invalid_value")) == {"/quotes/1/legs"}


async def test_get_fare_policy_answers_the_policy_with_its_version(edge: Edge):
    edge.services.answers("GetFarePolicy", policy(version=3, is_published=True, operator_id="op"))
    reply = await edge.client.get("/v1/fare-policies/op", headers=edge.signed_in("fares:write"))
    assert (reply.status_code, reply.headers["etag"].split("-")[0]) == (200, '"3')
    assert reply.json() == in_json(version=3, is_published=True)
    assert edge.services.last("GetFarePolicy").message == pricing_service_pb2.GetFarePolicyRequest(policy_id="op")


async def test_get_fare_policy_answers_304_while_it_is_what_the_caller_has(edge: Edge):
    edge.services.answers("GetFarePolicy", policy(version=3))
    headers = edge.signed_in("fares:write", if_none_match=etag(policy(version=3)))
    assert (await edge.client.get("/v1/fare-policies/op", headers=headers)).status_code == 304


async def test_get_fare_policy_is_for_those_who_keep_fares(edge: Edge):
    reply = await edge.client.get("/v1/fare-policies/op", headers=edge.signed_in("bookings"))
    assert problem(reply, 403, "forbidden")["facts"] == {"scope": "fares:write"}
    edge.services.fails("GetFarePolicy", NotFound())
    reply = await edge.client.get("/v1/fare-policies/other", headers=edge.signed_in("fares:write"))
    problem(reply, 404, "not_found")


async def test_put_fare_policy_takes_back_what_was_read_as_the_first_draft(edge: Edge):
    edge.services.answers("GetFarePolicy", policy(is_published=True, operator_id="op"))
    edge.services.answers("PutFarePolicy", policy(version=1, operator_id="op"))
    read = await edge.client.get("/v1/fare-policies/op", headers=edge.signed_in("fares:write"))
    headers = edge.signed_in("fares:write", if_match=read.headers["etag"])
    reply = await edge.client.put("/v1/fare-policies/op", json=read.json(), headers=headers)
    assert (reply.status_code, reply.headers["etag"].split("-")[0]) == (200, '"1')
    assert reply.json() == in_json(version=1, is_published=False)
    assert edge.services.last("PutFarePolicy").message == pricing_service_pb2.PutFarePolicyRequest(
        policy=policy(), version=0
    )


async def test_put_fare_policy_names_the_policy_by_its_path_alone(edge: Edge):
    edge.services.answers("PutFarePolicy", policy(version=2))
    headers = edge.signed_in("fares:write", if_match='"1"')
    body = RULES | {"id": "other", "operator_id": "other", "version": 99, "is_published": True}
    await edge.client.put("/v1/fare-policies/op", json=body, headers=headers)
    asked = edge.services.last("PutFarePolicy").message
    assert (asked.policy, asked.version) == (policy(), 1)


async def test_put_fare_policy_needs_to_know_which_version_was_read(edge: Edge):
    reply = await edge.client.put("/v1/fare-policies/op", json=RULES, headers=edge.signed_in("fares:write"))
    problem(reply, 428, "missing_precondition")
    assert edge.services.calls == []


async def test_put_fare_policy_that_has_changed_is_a_412(edge: Edge):
    edge.services.fails("PutFarePolicy", LostRace(version=4))
    headers = edge.signed_in("fares:write", if_match='"3"')
    reply = await edge.client.put("/v1/fare-policies/op", json=RULES, headers=headers)
    assert problem(reply, 412, "stale_version")["facts"] == {"version": 4}


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"currency": "eur"}, "/currency"),
        ({"base_minor": -1}, "/base_minor"),
        ({"base_minor": 2.5}, "/base_minor"),
        ({"base_minor": "200"}, "/base_minor"),
        ({"rounding_minor": 0}, "/rounding_minor"),
        ({"categories": [{"category": "adult", "percent": 1001}]}, "/categories/0/percent"),
        ({"zone_fares": [{"origin_zone_id": "A"}]}, "/zone_fares/0/amount_minor"),
        ({"base_major": 2}, "/base_major"),
    ],
)
async def test_put_fare_policy_points_at_what_is_wrong_and_asks_nobody(edge: Edge, change: dict, pointer: str):
    headers = edge.signed_in("fares:write", if_match='"3"')
    reply = await edge.client.put("/v1/fare-policies/op", json=RULES | change, headers=headers)
    assert pointers(problem(reply, 422, "invalid_value")) == {pointer}
    assert edge.services.calls == []


async def test_publish_fare_policy_puts_the_draft_that_was_read_in_force(edge: Edge):
    edge.services.answers("PublishFarePolicy", policy(version=4, is_published=True, operator_id="op"))
    headers = edge.signed_in("fares:write", if_match='"4"')
    reply = await edge.client.post("/v1/fare-policies/op/publish", headers=headers)
    assert (reply.status_code, reply.json()) == (200, in_json(version=4, is_published=True))
    assert edge.services.last("PublishFarePolicy").message == pricing_service_pb2.PublishFarePolicyRequest(
        policy_id="op", version=4
    )


async def test_publish_fare_policy_publishes_nothing_unread(edge: Edge):
    reply = await edge.client.post("/v1/fare-policies/op/publish", headers=edge.signed_in("fares:write"))
    problem(reply, 428, "missing_precondition")
    assert edge.services.calls == []
