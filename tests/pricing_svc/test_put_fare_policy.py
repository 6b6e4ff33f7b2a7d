"""A draft is replaced by whoever has seen the version before it."""

import asyncio

import grpc
import pytest
from grpc import aio
from headway.pricing.v1 import fares_pb2, pricing_service_pb2

from chassis.errors import InvalidInput, LostRace, NotFound
from chassis.store import Store
from pricing_svc import translate
from pricing_svc.domain.fare_policy import CategoryFare, FarePolicy, default_policy
from pricing_svc.store.work import Work
from pricing_svc.use_cases.put_fare_policy import put_fare_policy
from tests.pricing_svc import network
from tests.pricing_svc.service import Pricing, ask, commit, put_in_force, refusal


def put(store: Store[Work], policy: FarePolicy, seen_version: int, caller=network.SEA_STAFF) -> FarePolicy:
    return commit(store, put_fare_policy, caller=caller, policy=policy, seen_version=seen_version)


def newest(store: Store[Work], policy_id: str = "opr_sea") -> FarePolicy:
    return ask(store, lambda work: work.fare_policies.newest(policy_id))


def in_force(store: Store[Work], policy_id: str = "opr_sea") -> FarePolicy:
    return ask(store, lambda work: work.fare_policies.in_force([policy_id]))[policy_id]


def test_a_draft_is_stored_whole_and_changes_no_price(store: Store[Work]):
    policy = network.policy(zone_fares=(network.zone_fare("Z1", "Zone Ü", 10**9),), maximum_minor=10**9)
    stored = put(store, policy, 0)
    assert (stored.version, stored.is_published) == (1, False)
    assert newest(store) == stored
    assert in_force(store) == default_policy("opr_sea")


def test_each_draft_takes_the_place_of_the_one_before(store: Store[Work]):
    put(store, network.policy(base_minor=1), 0)
    put(store, network.policy(base_minor=2), 1)
    assert (newest(store).version, newest(store).base_minor) == (2, 2)
    table = store.database.reader
    with table.connect() as connection:
        assert connection.exec_driver_sql("SELECT COUNT(*) FROM fare_policies").scalar_one() == 1


def test_a_draft_after_publication_leaves_what_is_in_force(store: Store[Work]):
    published = put_in_force(store, network.policy(base_minor=1))
    draft = put(store, network.policy(base_minor=2), published.version)
    assert (draft.version, newest(store)) == (2, draft)
    assert in_force(store) == published


@pytest.mark.parametrize("seen_version", [0, 2, -1, 99])
def test_an_author_who_has_not_seen_the_newest_is_told_its_version(store: Store[Work], seen_version: int):
    put(store, network.policy(base_minor=1), 0)
    with pytest.raises(LostRace) as caught:
        put(store, network.policy(base_minor=2), seen_version)
    assert caught.value.facts == {"version": 1}
    assert newest(store).base_minor == 1


def test_a_wrong_draft_changes_nothing(store: Store[Work]):
    with pytest.raises(InvalidInput):
        put(store, network.policy(currency="euro"), 0)
    assert newest(store).version == 0


def test_a_foreign_policy_cannot_be_put(store: Store[Work]):
    with pytest.raises(NotFound):
        put(store, network.policy(), 0, caller=network.LAND_STAFF)
    put(store, network.policy(), 0, caller=network.ADMIN)


def request(version: int = 0, **others: object) -> pricing_service_pb2.PutFarePolicyRequest:
    policy = translate.fare_policy_out(network.policy(**others))
    return pricing_service_pb2.PutFarePolicyRequest(policy=policy, version=version)


async def test_staff_put_a_draft_through_grpc(pricing: Pricing):
    sent = request(categories=(CategoryFare("adult", 100), CategoryFare("dog", 25)))
    stored: fares_pb2.FarePolicy = await pricing.stub.PutFarePolicy(sent, metadata=pricing.bearer(network.SEA_STAFF))
    sent.policy.version = 1
    assert stored == sent.policy
    assert stored.operator_id == "opr_sea"


async def test_version_and_state_are_not_the_authors_to_choose(pricing: Pricing):
    sent = request()
    sent.policy.version, sent.policy.is_published, sent.policy.operator_id = 77, True, "opr_land"
    stored = await pricing.stub.PutFarePolicy(sent, metadata=pricing.bearer(network.SEA_STAFF))
    assert (stored.version, stored.is_published, stored.operator_id) == (1, False, "opr_sea")


async def test_of_many_authors_at_once_one_wins(pricing: Pricing):
    bearer = pricing.bearer(network.SEA_STAFF)
    calls = [pricing.stub.PutFarePolicy(request(base_minor=number), metadata=bearer) for number in range(20)]
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    won = [outcome for outcome in outcomes if isinstance(outcome, fares_pb2.FarePolicy)]
    lost = [outcome for outcome in outcomes if isinstance(outcome, aio.AioRpcError)]
    assert (len(won), len(lost)) == (1, 19)
    assert {outcome.code() for outcome in lost} == {grpc.StatusCode.ABORTED}
    assert await pricing.store.read(lambda work: work.fare_policies.newest("opr_sea").base_minor) == won[0].base_minor


async def test_a_stale_version_is_told_through_grpc(pricing: Pricing):
    bearer = pricing.bearer(network.SEA_STAFF)
    await pricing.stub.PutFarePolicy(request(), metadata=bearer)
    refused = await refusal(pricing.stub.PutFarePolicy(request(), metadata=bearer))
    assert (refused.code, refused.reason) == (grpc.StatusCode.ABORTED, "STALE_VERSION")
    assert refused.facts == {"version": 1}


async def test_everything_wrong_is_pointed_at_through_grpc(pricing: Pricing):
    bearer = pricing.bearer(network.SEA_STAFF)
    wrong = request(currency="x", rounding_minor=0, categories=(CategoryFare("A", 1),))
    refused = await refusal(pricing.stub.PutFarePolicy(wrong, metadata=bearer))
    assert (refused.code, refused.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_VALUE")
    assert refused.pointers == ["/currency", "/rounding_minor", "/categories/0/category"]


async def test_only_staff_with_the_scope_and_of_the_operator_may_put(pricing: Pricing):
    cases = {
        (): (grpc.StatusCode.UNAUTHENTICATED, "UNAUTHENTICATED"),
        pricing.bearer(network.RIDER): (grpc.StatusCode.PERMISSION_DENIED, "FORBIDDEN"),
        pricing.bearer(network.DRIVER_AND_STAFF): (grpc.StatusCode.PERMISSION_DENIED, "FORBIDDEN"),
        pricing.bearer(network.LAND_STAFF): (grpc.StatusCode.NOT_FOUND, "NOT_FOUND"),
    }
    for metadata, expected in cases.items():
        refused = await refusal(pricing.stub.PutFarePolicy(request(), metadata=metadata))
        assert (refused.code, refused.reason) == expected
