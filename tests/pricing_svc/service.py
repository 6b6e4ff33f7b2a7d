"""The pricing service in this process: its store run by hand, or the whole of it on a socket."""

import asyncio
import inspect
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import grpc
import pytest
from grpc import aio
from headway.pricing.v1 import pricing_service_pb2, pricing_service_pb2_grpc
from headway.types.v1 import timetable_pb2
from prometheus_client import CollectorRegistry

from chassis.access import Caller
from chassis.clock import Clock
from chassis.errors import FieldError
from chassis.keys import Signer
from chassis.lifecycle import Service
from chassis.rpc_errors import failure_of
from chassis.store import Store
from pricing_svc import translate
from pricing_svc.bootstrap import build
from pricing_svc.domain.departure import Departure
from pricing_svc.domain.fare_policy import FarePolicy
from pricing_svc.domain.quote import QuoteRequest
from pricing_svc.settings import PricingSettings
from pricing_svc.store.work import Memory, Work
from pricing_svc.use_cases.keep_departures import keep_departures
from pricing_svc.use_cases.keep_patterns import keep_patterns
from pricing_svc.use_cases.publish_fare_policy import publish_fare_policy
from pricing_svc.use_cases.put_fare_policy import put_fare_policy
from tests.pricing_svc import network

NOBODY = "127.0.0.1:1"
LIFETIME = timedelta(seconds=900)


def commit(store: Store[Work], use_case: Callable[..., Any], **data: Any) -> Any:
    """Run a use case in a transaction of its own, as the writer would."""
    with store.database.writer.begin() as connection:
        work = Work(connection, store._clock.now(), encode=translate.event_out, memory=Memory())
        return use_case(work, **data)


def ask(store: Store[Work], query: Callable[..., Any], **data: Any) -> Any:
    """Run a query on a snapshot of its own, as a reader would."""
    return store._query(query, **data)


def keep(store: Store[Work], *departures: Departure) -> None:
    commit(store, keep_patterns, patterns=[network.pattern_of(departure) for departure in departures])
    commit(store, keep_departures, departures=departures)


def put_in_force(store: Store[Work], policy: FarePolicy, *, seen_version: int = 0) -> FarePolicy:
    put = commit(store, put_fare_policy, caller=network.ADMIN, policy=policy, seen_version=seen_version)
    found: FarePolicy = commit(
        store, publish_fare_policy, caller=network.ADMIN, policy_id=policy.id, seen_version=put.version
    )
    return found


async def until(is_so: Callable[[], object], *, seconds: float = 10) -> None:
    """Wait for what must come about; `is_so` may be a coroutine function."""
    deadline = asyncio.get_running_loop().time() + seconds
    while True:
        found = is_so()
        if await found if inspect.isawaitable(found) else found:
            return
        assert asyncio.get_running_loop().time() < deadline, "it did not come about in time"
        await asyncio.sleep(0.01)


@dataclass(frozen=True)
class Refusal:
    """What a caller is told when a call fails."""

    code: grpc.StatusCode
    reason: str
    facts: dict[str, object]
    errors: tuple[FieldError, ...]

    @property
    def pointers(self) -> list[str]:
        return [error.pointer for error in self.errors]


async def refusal(call: Any) -> Refusal:
    """Make a call that must fail."""
    with pytest.raises(aio.AioRpcError) as caught:
        await call
    failure = failure_of(caught.value)
    return Refusal(caught.value.code(), failure.reason, failure.facts, failure.errors)


@dataclass(frozen=True)
class Pricing:
    """A running service, a channel to it and whoever signs the tokens of people."""

    service: Service
    channel: aio.Channel
    gateway: Signer
    clock: Clock

    @property
    def store(self) -> Store[Work]:
        return self.service.store

    @property
    def stub(self) -> Any:
        return pricing_service_pb2_grpc.PricingServiceStub(self.channel)

    async def keep(self, *departures: Departure) -> None:
        await self.store.write(keep_patterns, patterns=[network.pattern_of(departure) for departure in departures])
        await self.store.write(keep_departures, departures=departures)

    async def put_in_force(self, policy: FarePolicy, *, seen_version: int = 0) -> None:
        data = {"caller": network.ADMIN, "policy": policy, "seen_version": seen_version}
        put = await self.store.write(put_fare_policy, **data)
        await self.store.write(publish_fare_policy, caller=network.ADMIN, policy_id=policy.id, seen_version=put.version)

    async def knows(self, departure_id: str) -> bool:
        return bool(await self.store.read(lambda work: work.departures.find([departure_id])))

    def quote(self, request: QuoteRequest) -> Any:
        return self.stub.QuoteFare(wire(request), timeout=10)

    def quotes(self, requests: Sequence[QuoteRequest], *, is_without_tokens: bool = False) -> Any:
        message = pricing_service_pb2.QuoteFaresRequest(quotes=map(wire, requests), is_without_tokens=is_without_tokens)
        return self.stub.QuoteFares(message, timeout=10)

    def bearer(self, caller: Caller) -> tuple[tuple[str, str], ...]:
        """Sign a token as the gateway does and put it where a call carries it."""
        claims = {
            "sub": caller.subject,
            "scope": " ".join(sorted(caller.scopes)),
            "operator_id": caller.operator_id,
        }
        token = self.gateway.sign(claims, typ="at+jwt", now=self.clock.now(), ttl=LIFETIME)
        return (("authorization", f"Bearer {token}"),)


def wire(request: QuoteRequest) -> pricing_service_pb2.QuoteFareRequest:
    """Write a request as a caller does."""
    legs = [
        timetable_pb2.LegRequest(
            departure_id=leg.departure_id,
            origin_stop_id=leg.origin_stop_id,
            destination_stop_id=leg.destination_stop_id,
        )
        for leg in request.legs
    ]
    return pricing_service_pb2.QuoteFareRequest(legs=legs, passenger_categories=request.categories)


@asynccontextmanager
async def serving(settings: PricingSettings, gateway: Signer, clock: Clock) -> AsyncIterator[Pricing]:
    """Run the whole service in this process, on a socket."""
    service = build(settings, clock, registry=CollectorRegistry())
    await service.start()
    try:
        async with aio.insecure_channel(f"127.0.0.1:{service.server.port}") as channel:
            yield Pricing(service, channel, gateway, clock)
    finally:
        await service.stop()
