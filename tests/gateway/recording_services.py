"""All services of the system as one recording server on a real socket, and the real gateway before it.

edge.services.answers("GetBooking", booking())     what the next calls of a method get
edge.services.fails("GetBooking", NotFound())
reply = await edge.client.get("/v1/bookings/bkg_1", headers=edge.signed_in("bookings"))
edge.services.last("GetBooking").message           what the gateway asked
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

import grpc
import httpx2
from fastapi import FastAPI
from google.protobuf import message_factory
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from grpc import aio
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import aio as health_aio
from headway.booking.v1 import booking_service_pb2, bookings_pb2, operations_service_pb2, timetable_service_pb2
from headway.pricing.v1 import fares_pb2, pricing_service_pb2
from headway.tracking.v1 import tracking_service_pb2
from headway.types.v1 import money_pb2, timetable_pb2

from chassis.clock import Clock
from chassis.errors import Failure
from chassis.rpc_errors import status_of
from gateway.accounts.tokens import AccessTokens
from tests.gateway.running import running, settings_for

SUBJECT = "usr_ada"
CONTRACTS = (
    booking_service_pb2, timetable_service_pb2, operations_service_pb2, pricing_service_pb2, tracking_service_pb2
)  # fmt: skip
METHODS: dict[str, MethodDescriptor] = {
    f"/{service.full_name}/{method.name}": method
    for file in CONTRACTS
    for service in file.DESCRIPTOR.services_by_name.values()
    for method in service.methods
}

Answer = Message | Failure | asyncio.Event | list[Message] | asyncio.Queue[Message | Failure | None]


@dataclass(frozen=True)
class Recorded:
    """One call as it arrived."""

    rpc: str
    message: Any
    metadata: dict[str, str]
    seconds_left: float


class RecordingServices(grpc.GenericRpcHandler):
    """Answers every method as it was told to, and remembers what it was asked."""

    def __init__(self) -> None:
        self.calls: list[Recorded] = []
        self._answers: dict[str, list[Answer]] = {}
        self._replayed: set[str] = set()

    def answers(self, rpc: str, *answers: Any, replayed: bool = False) -> None:
        """Give these answers one after the other, the last one for ever.

        A list is a stream, and a queue is one that goes on until a None or a failure comes out of it.
        """
        self._answers[rpc] = list(answers)
        self._replayed.discard(rpc)
        if replayed:
            self._replayed.add(rpc)

    def fails(self, rpc: str, *answers: Failure | Message) -> None:
        """Refuse, likewise; what follows a refusal may be an answer."""
        self._answers[rpc] = list(answers)

    def hangs(self, *rpcs: str) -> asyncio.Event:
        """Never answer; the event tells that a call was cancelled."""
        cancelled = asyncio.Event()
        for rpc in rpcs:
            self._answers[rpc] = [cancelled]
        return cancelled

    def last(self, rpc: str) -> Recorded:
        """Return the newest call of a method."""
        return next(call for call in reversed(self.calls) if call.rpc == rpc)

    def forget(self) -> None:
        self.calls.clear()
        self._answers.clear()
        self._replayed.clear()

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler | None:
        method = METHODS.get(details.method)
        if method is None:
            return None
        read = message_factory.GetMessageClass(method.input_type).FromString
        write = message_factory.GetMessageClass(method.output_type).SerializeToString
        if method.server_streaming:
            return grpc.unary_stream_rpc_method_handler(self._streaming(method.name), read, write)
        if method.client_streaming:
            return grpc.stream_unary_rpc_method_handler(self._gathering(method.name), read, write)
        return grpc.unary_unary_rpc_method_handler(self._unary(method.name), read, write)

    def _unary(self, rpc: str) -> Any:
        async def serve(message: Message, context: aio.ServicerContext) -> Message:
            return await self._answer(rpc, message, context)

        return serve

    def _streaming(self, rpc: str) -> Any:
        async def serve(message: Message, context: aio.ServicerContext) -> AsyncIterator[Message]:
            answers = await self._answer(rpc, message, context)
            if isinstance(answers, asyncio.Queue):
                while (answer := await answers.get()) is not None:
                    if isinstance(answer, Failure):
                        await context.abort_with_status(status_of(answer))
                    yield answer
                return
            for answer in answers:
                yield answer

        return serve

    def _gathering(self, rpc: str) -> Any:
        async def serve(messages: AsyncIterator[Message], context: aio.ServicerContext) -> Message:
            return await self._answer(rpc, [message async for message in messages], context)

        return serve

    async def _answer(self, rpc: str, message: Any, context: aio.ServicerContext) -> Any:
        left = context.time_remaining()
        assert left is not None, f"{rpc} was called without a deadline"
        self.calls.append(Recorded(rpc, message, dict(context.invocation_metadata()), left))
        told = self._answers[rpc]
        answer = told.pop(0) if len(told) > 1 else told[0]
        if isinstance(answer, Failure):
            await context.abort_with_status(status_of(answer))
        if isinstance(answer, asyncio.Event):
            await hang(answer)
        if rpc in self._replayed:
            context.set_trailing_metadata((("idempotent-replayed", "true"),))
        return answer


async def hang(cancelled: asyncio.Event) -> None:
    try:
        await asyncio.Event().wait()
    finally:
        cancelled.set()


@dataclass
class Server:
    """A recording server that runs, and its health."""

    services: RecordingServices
    server: aio.Server
    health: health_aio.HealthServicer
    address: str

    async def reports(self, status: Any) -> None:
        await self.health.set("", status)


@asynccontextmanager
async def recording_server(services: RecordingServices, *, port: int = 0) -> AsyncIterator[Server]:
    server = aio.server(options=[("grpc.so_reuseport", 0)])
    server.add_generic_rpc_handlers((services,))
    health = health_aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(health, server)
    bound = server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    await health.set("", health_pb2.HealthCheckResponse.SERVING)
    try:
        yield Server(services, server, health, f"127.0.0.1:{bound}")
    finally:
        await server.stop(0)


@dataclass
class Edge:
    """The real gateway, in this process, and what it is connected to."""

    app: FastAPI
    client: httpx2.AsyncClient
    services: RecordingServices

    def signed_in(self, *scopes: str, key: str = "", **headers: str) -> dict[str, str]:
        """Write the headers of a caller with some scopes, and others: if_match="..." is If-Match."""
        tokens = AccessTokens(self.app.state.signer, self.app.state.clock)
        issued = tokens.issue(subject=SUBJECT, scope=" ".join(scopes), operator_id="*")
        found = {"Authorization": f"Bearer {issued.token}"} | ({"Idempotency-Key": key} if key else {})
        return found | {name.replace("_", "-"): value for name, value in headers.items()}


def in_haste() -> Callable[[], float]:
    """Make a clock on which no two looks are within a second, so that nothing is answered from before."""
    return count(step=10.0).__next__


@asynccontextmanager
async def gateway_before(
    services: RecordingServices,
    folder: Path,
    *,
    clock: Clock | None = None,
    ticks: Callable[[], float] = time.monotonic,
    **addresses: str,
) -> AsyncIterator[Edge]:
    """Run the gateway before services at some addresses; nobody is at the others."""
    settings = settings_for(f"sqlite:///{folder}/gateway.db", folder, admin_client_secret="", **addresses)
    async with running(settings, clock, ticks) as found:
        yield Edge(found.app, found.client, services)


@asynccontextmanager
async def gateway_and_services(
    folder: Path, *, clock: Clock | None = None, ticks: Callable[[], float] = time.monotonic
) -> AsyncIterator[Edge]:
    """Run the gateway before one server that plays every service."""
    async with recording_server(RecordingServices()) as server:
        names = ("booking_address", "tracking_address", "pricing_address")
        addresses = dict.fromkeys(names, server.address)
        async with gateway_before(server.services, folder, clock=clock, ticks=ticks, **addresses) as edge:
            yield edge


def pointers(document: dict[str, Any]) -> set[str]:
    """Return where a refusal points."""
    return {error["pointer"] for error in document["errors"]}


def at(*parts: int) -> Timestamp:
    """Write a time in UTC: at(2030, 6, 1, 8, 30)."""
    message = Timestamp()
    message.FromDatetime(datetime(*parts, tzinfo=UTC))
    return message


LEG = timetable_pb2.Leg(
    departure_id="dep_1",
    route=timetable_pb2.Route(
        id="rte_1", short_name="X7", long_name="Harbour - Airport", mode=timetable_pb2.MODE_FERRY
    ),
    headsign="Airport",
    service_date="2030-06-01",
    state=timetable_pb2.DEPARTURE_STATE_SCHEDULED,
    origin=timetable_pb2.LegEnd(
        stop_id="stp_1", stop_name="Harbour", timezone="Europe/Berlin", scheduled_at=at(2030, 6, 1, 8)
    ),
    destination=timetable_pb2.LegEnd(
        stop_id="stp_2", stop_name="Airport", timezone="Europe/Berlin", scheduled_at=at(2030, 6, 1, 8, 30), sequence=3
    ),
    operator_id="op",
)
LEG_IN_JSON = {
    "departure_id": "dep_1",
    "route": {
        "id": "rte_1",
        "feed_route_id": None,
        "short_name": "X7",
        "long_name": "Harbour - Airport",
        "mode": "ferry",
    },
    "headsign": "Airport",
    "service_date": "2030-06-01",
    "state": "scheduled",
    "delay_seconds": None,
    "cancellation_reason": None,
    "origin": {
        "stop_id": "stp_1",
        "stop_name": "Harbour",
        "timezone": "Europe/Berlin",
        "scheduled_at": "2030-06-01T08:00:00Z",
        "expected_at": None,
    },
    "destination": {
        "stop_id": "stp_2",
        "stop_name": "Airport",
        "timezone": "Europe/Berlin",
        "scheduled_at": "2030-06-01T08:30:00Z",
        "expected_at": None,
    },
}
QUOTE = fares_pb2.Quote(
    id="quo_1",
    token="signed",
    expires_at=at(2030, 5, 1, 12),
    legs=[LEG],
    total=money_pb2.Money(amount_minor=1250, currency="EUR"),
    lines=[
        fares_pb2.FareLine(
            rule_id="distance",
            description="Ride of 9.2 km",
            passenger_index=0,
            leg_index=0,
            price=money_pb2.Money(amount_minor=1300, currency="EUR"),
        ),
        fares_pb2.FareLine(
            rule_id="rounding", description="Rounding", price=money_pb2.Money(amount_minor=-50, currency="EUR")
        ),
    ],
    policy_version=4,
)
QUOTE_IN_JSON = {
    "id": "quo_1",
    "token": "signed",
    "expires_at": "2030-05-01T12:00:00Z",
    "legs": [LEG_IN_JSON],
    "total": {"amount_minor": 1250, "currency": "EUR"},
    "lines": [
        {
            "rule_id": "distance",
            "description": "Ride of 9.2 km",
            "passenger_index": 0,
            "leg_index": 0,
            "price": {"amount_minor": 1300, "currency": "EUR"},
        },
        {
            "rule_id": "rounding",
            "description": "Rounding",
            "passenger_index": None,
            "leg_index": None,
            "price": {"amount_minor": -50, "currency": "EUR"},
        },
    ],
    "policy_version": 4,
}


def euro(amount_minor: int) -> money_pb2.Money:
    return money_pb2.Money(amount_minor=amount_minor, currency="EUR")


def held(version: int = 1) -> bookings_pb2.Booking:
    return bookings_pb2.Booking(
        id="bkg_1",
        reference="K7M2QX",
        state=bookings_pb2.BOOKING_STATE_HELD,
        hold_expires_at=at(2030, 5, 1, 12, 10, 0, 500_000),
        legs=[LEG],
        items=[
            bookings_pb2.Item(
                id="itm_1",
                passenger=bookings_pb2.Passenger(name="Ada Lovelace", category="adult"),
                seat_id="7C",
                state=bookings_pb2.ITEM_STATE_HELD,
                boarding=bookings_pb2.BOARDING_EXPECTED,
                price=euro(1250),
            )
        ],
        total=euro(1250),
        payment=bookings_pb2.Payment(state=bookings_pb2.PAYMENT_STATE_NONE),
        available_actions=["confirm_booking", "release_booking"],
        version=version,
        rider_id="usr_ada",
        created_at=at(2030, 5, 1, 12),
    )


HELD_IN_JSON = {
    "id": "bkg_1",
    "reference": "K7M2QX",
    "state": "held",
    "hold_expires_at": "2030-05-01T12:10:00.500000Z",
    "legs": [LEG_IN_JSON],
    "items": [
        {
            "id": "itm_1",
            "leg_index": 0,
            "passenger": {"name": "Ada Lovelace", "category": "adult"},
            "seat_id": "7C",
            "state": "held",
            "boarding": "expected",
            "price": {"amount_minor": 1250, "currency": "EUR"},
        }
    ],
    "total": {"amount_minor": 1250, "currency": "EUR"},
    "payment": {"state": "none", "action_url": None},
    "tickets": [],
    "available_actions": ["confirm_booking", "release_booking"],
    "version": 1,
    "created_at": "2030-05-01T12:00:00Z",
}
