"""A draft comes into force once, and the fact is told once."""

import grpc
import pytest
import sqlalchemy as sa
from headway.pricing.v1 import fare_events_pb2, pricing_service_pb2

from chassis.errors import LostRace, NotFound
from chassis.outbox import Outbox
from chassis.store import Store
from pricing_svc import translate
from pricing_svc.domain.errors import NoDraft
from pricing_svc.domain.fare_policy import FarePolicy
from pricing_svc.store.work import Work
from pricing_svc.use_cases.publish_fare_policy import publish_fare_policy
from pricing_svc.use_cases.put_fare_policy import put_fare_policy
from tests.pricing_svc import network
from tests.pricing_svc.service import Pricing, ask, commit, put_in_force, refusal


def publish(store: Store[Work], seen_version: int, caller=network.SEA_STAFF) -> FarePolicy:
    return commit(store, publish_fare_policy, caller=caller, policy_id="opr_sea", seen_version=seen_version)


def in_force(store: Store[Work]) -> FarePolicy:
    return ask(store, lambda work: work.fare_policies.in_force(["opr_sea"]))["opr_sea"]


def events(store: Store[Work]):
    """Read what waits to be told, in order."""
    waiting = sa.select(Outbox.table).order_by(Outbox.table.c.position)
    return ask(store, lambda work: list(work.connection.execute(waiting)))


def test_what_is_published_is_in_force_and_told(store: Store[Work]):
    commit(store, put_fare_policy, caller=network.SEA_STAFF, policy=network.policy(), seen_version=0)
    assert events(store) == []
    published = publish(store, 1)
    assert published == network.policy(version=1, is_published=True)
    assert in_force(store) == published
    (event,) = events(store)
    assert (event.stream, event.type) == ("FARE", "headway.pricing.v1.FarePolicyPublished")
    assert event.subject == "headway.v1.fare.policy_published.opr_sea.opr_sea"
    told = fare_events_pb2.FarePolicyPublished.FromString(event.payload)
    assert told.policy == translate.fare_policy_out(published)


def test_an_operator_whose_name_is_no_token_makes_no_subject_of_its_own(store: Store[Work]):
    put_in_force(store, network.policy("a.b *"))
    assert events(store)[0].subject == f"headway.v1.fare.policy_published.~{b'a.b *'.hex()}.~{b'a.b *'.hex()}"


def test_publishing_twice_is_once(store: Store[Work]):
    first = put_in_force(store, network.policy())
    assert publish(store, 1) == first
    assert len(events(store)) == 1


def test_the_newest_publication_is_in_force_also_for_a_store_that_had_read_the_older(store: Store[Work]):
    put_in_force(store, network.policy(base_minor=1))
    assert in_force(store).base_minor == 1
    put_in_force(store, network.policy(base_minor=2), seen_version=1)
    assert (in_force(store).base_minor, in_force(store).version) == (2, 2)
    assert len(events(store)) == 2


def test_operators_have_policies_of_their_own(store: Store[Work]):
    put_in_force(store, network.policy("opr_sea", base_minor=1))
    put_in_force(store, network.policy("opr_land", base_minor=2))
    found = ask(store, lambda work: work.fare_policies.in_force(["opr_sea", "opr_land", "opr_air"]))
    assert {id_: policy.base_minor for id_, policy in found.items()} == {"opr_sea": 1, "opr_land": 2, "opr_air": 200}


def test_another_version_than_the_draft_is_refused(store: Store[Work]):
    commit(store, put_fare_policy, caller=network.SEA_STAFF, policy=network.policy(), seen_version=0)
    for seen_version in (0, 2):
        with pytest.raises(LostRace) as caught:
            publish(store, seen_version)
        assert caught.value.facts == {"version": 1}
    assert (in_force(store).version, events(store)) == (0, [])


def test_there_must_be_a_draft(store: Store[Work]):
    with pytest.raises(NoDraft):
        publish(store, 0)


def test_a_foreign_policy_cannot_be_published(store: Store[Work]):
    commit(store, put_fare_policy, caller=network.SEA_STAFF, policy=network.policy(), seen_version=0)
    with pytest.raises(NotFound):
        publish(store, 1, caller=network.LAND_STAFF)


def request(version: int) -> pricing_service_pb2.PublishFarePolicyRequest:
    return pricing_service_pb2.PublishFarePolicyRequest(policy_id="opr_sea", version=version)


async def test_staff_publish_through_grpc_and_the_next_quote_follows(pricing: Pricing):
    await pricing.keep(network.departure())
    before = await pricing.quote(network.asked())
    bearer = pricing.bearer(network.SEA_STAFF)
    draft = translate.fare_policy_out(network.policy(base_minor=100_000))
    await pricing.stub.PutFarePolicy(pricing_service_pb2.PutFarePolicyRequest(policy=draft), metadata=bearer)
    assert (await pricing.quote(network.asked())).total == before.total
    published = await pricing.stub.PublishFarePolicy(request(1), metadata=bearer)
    after = await pricing.quote(network.asked())
    assert (published.version, published.is_published) == (1, True)
    assert (after.total.amount_minor, after.policy_version) == (100_255, 1)


async def test_what_keeps_a_policy_from_being_published_is_told_through_grpc(pricing: Pricing):
    bearer = pricing.bearer(network.SEA_STAFF)
    refused = await refusal(pricing.stub.PublishFarePolicy(request(0), metadata=bearer))
    assert (refused.code, refused.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "ILLEGAL_STATE")
    refused = await refusal(pricing.stub.PublishFarePolicy(request(3), metadata=bearer))
    assert (refused.code, refused.reason, refused.facts) == (
        grpc.StatusCode.ABORTED,
        "STALE_VERSION",
        {"version": 0},
    )


async def test_only_staff_with_the_scope_and_of_the_operator_may_publish(pricing: Pricing):
    cases = {
        (): grpc.StatusCode.UNAUTHENTICATED,
        pricing.bearer(network.RIDER): grpc.StatusCode.PERMISSION_DENIED,
        pricing.bearer(network.LAND_STAFF): grpc.StatusCode.NOT_FOUND,
    }
    for metadata, expected in cases.items():
        assert (await refusal(pricing.stub.PublishFarePolicy(request(1), metadata=metadata))).code is expected
