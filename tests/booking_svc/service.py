"""The whole booking service on its socket, and whoever signs the tokens that it checks."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

from grpc import aio
from headway.booking.v1 import booking_service_pb2 as pb
from headway.booking.v1 import (
    booking_service_pb2_grpc,
    bookings_pb2,
    operations_service_pb2_grpc,
    timetable_service_pb2_grpc,
    vehicles_pb2,
)
from headway.booking.v1 import timetable_service_pb2 as timetable_pb
from headway.types.v1 import timetable_pb2
from prometheus_client import CollectorRegistry

from booking_svc.bootstrap import build
from booking_svc.settings import BookingSettings
from booking_svc.store.work import Work
from chassis.access import Caller
from chassis.clock import Clock
from chassis.keys import Signer, open_signer
from chassis.lifecycle import Service
from chassis.rpc_client import ServiceIdentity
from chassis.rpc_errors import RemoteFailure, failure_of
from chassis.store import Store
from tests.booking_svc.builders import OPERATOR, PRICE_MINOR, RIDER, STAFF, STARTS_AT

NOBODY = "nats://127.0.0.1:1"
"""Where no broker listens."""
Metadata = tuple[tuple[str, str], ...]


def settings(database_url: str, keys_dir: Path, payments_url: str, **changes: Any) -> BookingSettings:
    """Make settings that wait less than usual."""
    usual = {
        "database_url": database_url,
        "nats_url": NOBODY,
        "keys_dir": keys_dir,
        "payments_url": payments_url,
        "grpc_port": 0,
        "reflection": False,
        "holds_per_rider": 0,
    }
    return BookingSettings(**(usual | changes))


@dataclass(frozen=True)
class Booking:
    """A running service, a channel to it, and the signers it trusts."""

    service: Service
    channel: aio.Channel
    keys_dir: Path
    clock: Clock

    @property
    def store(self) -> Store[Work]:
        return self.service.store

    @property
    def bookings(self) -> Any:
        return booking_service_pb2_grpc.BookingServiceStub(self.channel)

    @property
    def timetable(self) -> Any:
        return timetable_service_pb2_grpc.TimetableServiceStub(self.channel)

    @property
    def operations(self) -> Any:
        return operations_service_pb2_grpc.OperationsServiceStub(self.channel)

    def signer(self, name: str) -> Signer:
        return open_signer(name, self.keys_dir)

    def metadata(self, caller: Caller | None = RIDER, *, key: str | None = "") -> Metadata:
        """Carry a caller's token and an idempotency key: a fresh one, unless one is given; None is no key."""
        found: Metadata = () if caller is None else (("authorization", f"Bearer {self.token(caller)}"),)
        return found if key is None else (*found, ("idempotency-key", key or uuid4().hex))

    def token(self, caller: Caller, *, seconds: float = 900) -> str:
        """Sign a token as the gateway does."""
        claims = {
            "sub": caller.subject,
            "scope": " ".join(sorted(caller.scopes)),
            "operator_id": caller.operator_id,
        }
        ttl = timedelta(seconds=seconds)
        return self.signer("gateway").sign(claims, typ="at+jwt", now=self.clock.now(), ttl=ttl)

    def as_service(self, name: str = "gateway") -> Metadata:
        return ServiceIdentity(self.signer(name), now=self.clock.now).metadata()

    def quote_token(self, *rides: "Ride", categories: Sequence[str] = ("adult",), **changes: Any) -> str:
        """Sign a quote as pricing does."""
        sign = {"by": "pricing", "typ": "quote+jwt", "seconds": 900} | {
            name: changes.pop(name) for name in ("by", "typ", "seconds") if name in changes
        }
        now, ttl = self.clock.now(), timedelta(seconds=sign["seconds"])
        return self.signer(sign["by"]).sign(
            quote_claims(rides, categories) | changes, typ=sign["typ"], now=now, ttl=ttl
        )

    async def layout(self, seat_ids: Sequence[str], *, caller: Caller = STAFF) -> vehicles_pb2.Layout:
        seats = [vehicles_pb2.LayoutSeat(id=one, row=1, column=place) for place, one in enumerate(seat_ids)]
        request = timetable_pb.CreateLayoutRequest(operator_id=OPERATOR, name="Boat", seats=seats)
        found: vehicles_pb2.Layout = await self.timetable.CreateLayout(request, metadata=self.metadata(caller))
        return found

    async def publish(self, *, caller: Caller = STAFF, **changes: Any) -> timetable_pb2.Departure:
        request = departure_request(**changes)
        found: timetable_pb2.Departure = await self.timetable.PublishDeparture(request, metadata=self.metadata(caller))
        return found

    async def cancel_departures(self, *departure_ids: str, caller: Caller = STAFF) -> None:
        request = timetable_pb.CancelDeparturesRequest(operator_id=OPERATOR, departure_ids=departure_ids)
        await self.timetable.CancelDepartures(request, metadata=self.metadata(caller))

    async def hold(self, *rides: "Ride", caller: Caller = RIDER, **changes: Any) -> bookings_pb2.Booking:
        request = self.hold_request(*rides, **changes)
        found: bookings_pb2.Booking = await self.bookings.HoldBooking(request, metadata=self.metadata(caller))
        return found

    def hold_request(self, *rides: "Ride", **changes: Any) -> pb.HoldBookingRequest:
        """Ask for one adult on every ride, in any seat."""
        passengers = changes.pop("passengers", [pb.PassengerInput(name="Ada Lovelace", category="adult")])
        usual = {
            "quote_token": self.quote_token(*rides, categories=[one.category for one in passengers]),
            "passengers": passengers,
            "contact": pb.Contact(email="rider@example.com"),
        }
        return pb.HoldBookingRequest(**(usual | changes))

    def confirm(self, booking_id: str, token: str = "tok_success", *, caller: Caller = RIDER, key: str = "") -> Any:
        """Call confirm_booking; await the answer, or ask the call for its trailing metadata."""
        request = pb.ConfirmBookingRequest(booking_id=booking_id, payment_method="sandbox", payment_token=token)
        return self.bookings.ConfirmBooking(request, metadata=self.metadata(caller, key=key))

    async def cancel(self, booking_id: str, *item_ids: str, caller: Caller = RIDER) -> bookings_pb2.Booking:
        """Cancel items, or all of them, at the price of this moment."""
        wanted = pb.QuoteCancellationRequest(booking_id=booking_id, item_ids=item_ids)
        quoted = await self.bookings.QuoteCancellation(wanted, metadata=self.metadata(caller))
        request = pb.CancelBookingRequest(booking_id=booking_id, cancellation_quote_token=quoted.token)
        found: bookings_pb2.Booking = await self.bookings.CancelBooking(request, metadata=self.metadata(caller))
        return found

    async def get(self, booking_id: str, *, caller: Caller = RIDER) -> bookings_pb2.Booking:
        request = pb.GetBookingRequest(booking_id=booking_id)
        found: bookings_pb2.Booking = await self.bookings.GetBooking(request, metadata=self.metadata(caller))
        return found


Ride = tuple[timetable_pb2.Departure, int, int]
"""A departure and the calls where a rider gets on and off."""


def quote_claims(rides: Sequence[Ride], categories: Sequence[str]) -> dict[str, Any]:
    legs = [
        {
            "departure_id": departure.id,
            "origin_stop_id": departure.calls[origin].stop.id,
            "destination_stop_id": departure.calls[destination].stop.id,
            "origin_sequence": origin,
            "destination_sequence": destination,
        }
        for departure, origin, destination in rides
    ]
    passengers = [{"category": category, "leg_minor": [PRICE_MINOR] * len(legs)} for category in categories]
    total = PRICE_MINOR * len(legs) * len(passengers)
    return {"quote_id": "quo_1", "currency": "EUR", "total_minor": total, "legs": legs, "passengers": passengers}


def departure_request(**changes: Any) -> timetable_pb.PublishDepartureRequest:
    """Ask for a departure of four calls in the default layout."""
    starts_at = changes.pop("starts_at", STARTS_AT)
    usual: dict[str, Any] = {
        "operator_id": OPERATOR,
        "route": timetable_pb.RouteInput(short_name="F1", mode=timetable_pb2.MODE_FERRY),
        "service_date": starts_at.date().isoformat(),
        "calls": [call_input(number, number, starts_at=starts_at) for number in changes.pop("stops", range(4))],
    }
    return timetable_pb.PublishDepartureRequest(**(usual | changes))


def call_input(number: int, place: int, *, starts_at: Any = STARTS_AT) -> timetable_pb.CallInput:
    at = timetable_pb.StopInput(
        feed_stop_id=f"s{number}", name=f"Pier {number}", timezone="Europe/Lisbon", latitude=38 + number / 100,
        longitude=-9.1,
    )  # fmt: skip
    call = timetable_pb.CallInput(stop=at)
    call.scheduled_arrival_at.FromDatetime(starts_at + timedelta(minutes=10 * place))
    call.scheduled_departure_at.FromDatetime(starts_at + timedelta(minutes=10 * place + 1))
    return call


@asynccontextmanager
async def serving(with_settings: BookingSettings, clock: Clock) -> AsyncIterator[Booking]:
    """Run the service in this process, on a socket."""
    for name in ("gateway", "pricing", "tracking"):
        open_signer(name, with_settings.keys_dir)
    service = build(with_settings, clock, registry=CollectorRegistry())
    await service.start()
    try:
        async with aio.insecure_channel(f"127.0.0.1:{service.server.port}") as channel:
            yield Booking(service, channel, with_settings.keys_dir, clock)
    finally:
        await service.stop()


async def refusal(call: Any) -> RemoteFailure:
    """Await a call that must be refused and read why."""
    try:
        answer = await call
    except aio.AioRpcError as error:
        return failure_of(error)
    raise AssertionError(f"this was not refused but answered: {answer}")
