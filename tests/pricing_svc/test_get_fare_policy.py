"""A policy is read as it stands for whoever works on it."""

from datetime import timedelta

import grpc
import pytest
from headway.pricing.v1 import pricing_service_pb2

from chassis.errors import Forbidden, NotFound
from chassis.keys import open_signer
from chassis.rpc_client import ServiceIdentity
from chassis.store import Store
from pricing_svc.domain.fare_policy import default_policy
from pricing_svc.queries.get_fare_policy import get_fare_policy
from pricing_svc.store.work import Work
from pricing_svc.use_cases.put_fare_policy import put_fare_policy
from tests.pricing_svc import network
from tests.pricing_svc.service import Pricing, ask, commit, put_in_force, refusal


def read(store: Store[Work], caller=network.SEA_STAFF, policy_id: str = "opr_sea"):
    return ask(store, get_fare_policy, caller=caller, policy_id=policy_id)


def test_an_operator_without_a_policy_has_the_default_as_version_0(store: Store[Work]):
    assert read(store) == default_policy("opr_sea")


def test_the_draft_comes_before_what_is_in_force(store: Store[Work]):
    published = put_in_force(store, network.policy(base_minor=1))
    assert read(store) == published
    draft = commit(
        store, put_fare_policy, caller=network.SEA_STAFF, policy=network.policy(base_minor=2), seen_version=1
    )
    assert read(store) == draft


def test_a_foreign_policy_is_as_if_there_were_none(store: Store[Work]):
    put_in_force(store, network.policy())
    for caller, policy_id in ((network.LAND_STAFF, "opr_sea"), (network.SEA_STAFF, "opr_land")):
        with pytest.raises(NotFound):
            read(store, caller, policy_id)
    with pytest.raises(Forbidden):
        read(store, network.RIDER)


def test_an_identifier_that_no_database_takes_names_nothing(store: Store[Work]):
    for policy_id in ("opr\0sea", "x" * 65, "", "a\nb"):
        with pytest.raises(NotFound):
            read(store, network.ADMIN, policy_id)


REQUEST = pricing_service_pb2.GetFarePolicyRequest(policy_id="opr_sea")


async def test_staff_read_their_policy_through_grpc(pricing: Pricing):
    found = await pricing.stub.GetFarePolicy(REQUEST, metadata=pricing.bearer(network.SEA_STAFF))
    assert (found.id, found.operator_id, found.currency, found.version) == ("opr_sea", "opr_sea", "EUR", 0)
    assert {fare.category: fare.percent for fare in found.categories}["senior"] == 70


async def test_who_may_read_a_policy_through_grpc(pricing: Pricing):
    cases = {
        (): (grpc.StatusCode.UNAUTHENTICATED, "UNAUTHENTICATED"),
        pricing.bearer(network.RIDER): (grpc.StatusCode.PERMISSION_DENIED, "FORBIDDEN"),
        pricing.bearer(network.LAND_STAFF): (grpc.StatusCode.NOT_FOUND, "NOT_FOUND"),
        (("authorization", "Bearer forged"),): (grpc.StatusCode.UNAUTHENTICATED, "UNAUTHENTICATED"),
    }
    for metadata, expected in cases.items():
        refused = await refusal(pricing.stub.GetFarePolicy(REQUEST, metadata=metadata))
        assert (refused.code, refused.reason) == expected


async def test_our_own_processes_read_any_policy_but_lend_it_to_no_rider(pricing: Pricing):
    identity = ServiceIdentity(pricing.gateway, now=pricing.clock.now).metadata()
    found = await pricing.stub.GetFarePolicy(REQUEST, metadata=identity)
    assert found.id == "opr_sea"
    refused = await refusal(pricing.stub.GetFarePolicy(REQUEST, metadata=identity + pricing.bearer(network.RIDER)))
    assert refused.code is grpc.StatusCode.PERMISSION_DENIED


async def test_a_token_that_another_process_signed_is_nobodys(pricing: Pricing, keys_dir):
    booking = open_signer("booking", keys_dir)
    token = booking.sign({"sub": "usr_1", "scope": "fares:write", "operator_id": "*"}, typ="at+jwt",
                         now=pricing.clock.now(), ttl=timedelta(minutes=5))  # fmt: skip
    refused = await refusal(pricing.stub.GetFarePolicy(REQUEST, metadata=(("authorization", f"Bearer {token}"),)))
    assert refused.code is grpc.StatusCode.UNAUTHENTICATED
