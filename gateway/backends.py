"""The lines to the services: typed stubs, a deadline on every call, failures read back as what they were.

async def get_booking(..., services: Services, call: ...):
booking = await services.ask(services.bookings.GetBooking, GetBookingRequest(...), call)
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Annotated, Any, Self, TypeVar

from fastapi import Depends
from grpc import aio
from grpc_health.v1 import health_pb2, health_pb2_grpc
from headway.booking.v1.booking_service_pb2_grpc import BookingServiceStub
from headway.booking.v1.operations_service_pb2_grpc import OperationsServiceStub
from headway.booking.v1.timetable_service_pb2_grpc import TimetableServiceStub
from headway.pricing.v1.pricing_service_pb2_grpc import PricingServiceStub
from headway.tracking.v1.tracking_service_pb2_grpc import TrackingServiceStub
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from chassis.errors import Unavailable
from chassis.rpc_client import open_channel, reading_failures
from gateway.caller import Call
from gateway.preconditions import Versioned, etag

READY_SECONDS = 1.0
WAITING = "waiting-"
"""Begins what a service tells beside its health: how many events each of its queues has."""
REPLAYED = "idempotent-replayed"

Asked = TypeVar("Asked")
Answered = TypeVar("Answered")
Tagged = TypeVar("Tagged", bound=Versioned)


class ClientGone(Unavailable):
    """Nobody waits for the answer any more; whoever asks with the same key learns the outcome."""

    reason = "CLIENT_GONE"


@dataclass(frozen=True, slots=True)
class Health:
    """Whether a service serves, and how many events wait to leave it or to be taken in, by queue."""

    is_serving: bool = False
    waiting: Mapping[str, int] = field(default_factory=dict)


class Backends:
    """The stubs of every service, over one channel each."""

    def __init__(self, *, booking: aio.Channel, tracking: aio.Channel, pricing: aio.Channel) -> None:
        self._channels = {"booking": booking, "tracking": tracking, "pricing": pricing}
        self.timetable = TimetableServiceStub(booking)
        self.bookings = BookingServiceStub(booking)
        self.operations = OperationsServiceStub(booking)
        self.tracking = TrackingServiceStub(tracking)
        self.pricing = PricingServiceStub(pricing)

    @classmethod
    def open(cls, booking_address: str, tracking_address: str, pricing_address: str) -> Self:
        """Open the channels, inside a running event loop; whether anybody listens is found out by calling."""
        return cls(
            booking=open_channel(booking_address),
            tracking=open_channel(tracking_address),
            pricing=open_channel(pricing_address),
        )

    async def health(self) -> dict[str, Health]:
        """Ask each service for its health at the same time."""
        answers = await asyncio.gather(*map(health_of, self._channels.values()))
        return dict(zip(self._channels, answers, strict=True))

    async def close(self) -> None:
        """Close the channels; calls under way are cancelled."""
        await asyncio.gather(*(channel.close() for channel in self._channels.values()))


async def health_of(channel: aio.Channel) -> Health:
    """Ask a service how it is; one that says nothing within a second does not serve."""
    asking = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=READY_SECONDS)
    try:
        answer, told = await asking, dict(await asking.trailing_metadata())
    except aio.AioRpcError:
        return Health()
    waiting = {name.removeprefix(WAITING): int(count) for name, count in told.items() if name.startswith(WAITING)}
    return Health(answer.status == health_pb2.HealthCheckResponse.SERVING, waiting)


class Exchange:
    """What one REST request asks of the services: cancelled when its client goes away, replays told to it."""

    def __init__(self, backends: Backends, request: Request, response: Response) -> None:
        self.timetable = backends.timetable
        self.bookings = backends.bookings
        self.operations = backends.operations
        self.tracking = backends.tracking
        self.pricing = backends.pricing
        self.now = request.app.state.clock.now
        self._request = request
        self._response = response

    async def ask(self, method: aio.UnaryUnaryMultiCallable[Asked, Answered], message: Asked, call: Call) -> Answered:
        """Make a call and return its answer; raise RemoteFailure, or ClientGone when nobody waits for it any more."""
        answer: Answered = await self._answer(method, message, call)
        return answer

    async def send_many(
        self, method: "aio.StreamUnaryMultiCallable[Asked, Answered]", messages: AsyncIterator[Asked], call: Call
    ) -> Answered:
        """Make a call of many messages and return its answer, likewise."""
        answer: Answered = await self._answer(method, messages, call)
        return answer

    async def ask_in_passing(
        self, method: aio.UnaryUnaryMultiCallable[Asked, Answered], message: Asked, call: Call, *, seconds: float
    ) -> Answered | None:
        """Make a call whose answer is welcome and not needed: None when it fails or takes too long."""
        try:
            return await method(message, timeout=seconds, metadata=aio.Metadata(*call.metadata))
        except aio.AioRpcError:
            return None

    async def ask_for_many(
        self, method: aio.UnaryStreamMultiCallable[Asked, Answered], message: Asked, call: Call
    ) -> list[Answered]:
        """Make a call and return all of its answers, which the message itself must bound."""
        with reading_failures():
            answering = method(message, timeout=call.timeout, metadata=aio.Metadata(*call.metadata))
            async with self._waited_for(answering):
                return [answer async for answer in answering]

    async def _answer(self, method: Any, sent: Any, call: Call) -> Any:
        """Wait for an answer as long as the client does, and tell it when that is a repeat."""
        with reading_failures():
            answering = method(sent, timeout=call.timeout, metadata=aio.Metadata(*call.metadata))
            async with self._waited_for(answering):
                answer = await answering
                if (await answering.trailing_metadata()).get(REPLAYED) == "true":
                    self._response.headers["Idempotent-Replayed"] = "true"
        return answer

    def tagged(self, resource: Tagged) -> Tagged:
        """Send the version of what was answered along as its ETag."""
        self._response.headers["ETag"] = etag(resource)
        return resource

    @asynccontextmanager
    async def _waited_for(self, answering: aio.Call) -> AsyncIterator[None]:
        """Cancel a call as soon as the client has gone."""
        watching = asyncio.create_task(cancel_without_client(self._request, answering))
        try:
            yield
        except asyncio.CancelledError:
            if watching.done():
                raise ClientGone from None
            raise
        finally:
            watching.cancel()


async def cancel_without_client(request: Request, answering: aio.Call) -> None:
    """Wait until the client has gone, then cancel what was asked for it."""
    with suppress(HTTPException):  # a body that nobody asked for and that is too long: watch no further
        while (await request.receive())["type"] != "http.disconnect":
            pass
        answering.cancel()


async def exchange(request: Request, response: Response) -> Exchange:
    """Begin the exchange of a request."""
    return Exchange(request.app.state.backends, request, response)


Services = Annotated[Exchange, Depends(exchange)]
