"""The whole service: real sockets, a real broker, the real provider, and a client that knows none of our code."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import nats as broker
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from headway.booking.v1 import (
    availability_events_pb2,
    booking_events_pb2,
    bookings_pb2,
    departure_events_pb2,
)
from nats.js.errors import NotFoundError

from booking_svc.store.bookings import BOOKINGS
from chassis.clock import SystemClock
from tests.booking_svc import service
from tests.booking_svc.builders import OPERATOR, events, rows, until
from tests.booking_svc.payments import Provider
from tests.servers import NatsServer

TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@asynccontextmanager
async def serving(url: str, folder: Path, provider: Provider, nats_url: str) -> AsyncIterator[service.Booking]:
    with_settings = service.settings(url, folder / "keys", provider.url, nats_url=nats_url)
    async with service.serving(with_settings, SystemClock()) as booking:
        yield booking


async def messages(nats_url: str, stream: str, count: int) -> list[Any]:
    """Read the first messages of a stream as any client may, waiting until they are there."""
    connection = await broker.connect(nats_url)
    try:
        jetstream = connection.jetstream()

        async def is_there() -> bool:
            try:
                return bool((await jetstream.stream_info(stream)).state.messages >= count)
            except NotFoundError:
                return False

        await until(is_there)
        return [await jetstream.get_msg(stream, sequence) for sequence in range(1, count + 1)]
    finally:
        await connection.close()


async def test_a_booking_s_life_is_told_to_the_broker_in_order(
    ready_url: str, tmp_path: Path, provider: Provider, nats: NatsServer
) -> None:
    began = datetime.now(UTC)
    async with serving(ready_url, tmp_path, provider, nats.url) as booking:
        departure = await booking.publish(starts_at=(began + timedelta(days=8)).replace(microsecond=0))
        metadata = (*booking.metadata(), ("traceparent", TRACEPARENT))
        held = await booking.bookings.HoldBooking(booking.hold_request((departure, 0, 2)), metadata=metadata)
        paid = await booking.confirm(held.id)
        assert paid.state == bookings_pb2.BOOKING_STATE_CONFIRMED
        await booking.cancel(held.id)

        (published,) = await messages(nats.url, "DEPARTURE", 1)
        assert published.subject == f"headway.v1.departure.published.{OPERATOR}.{departure.id}"
        departure.ClearField("calls")  # the pattern has them
        assert departure_events_pb2.DeparturePublished.FromString(published.data).departure == departure

        told = await messages(nats.url, "BOOKING", 3)
        facts = ("held", "confirmed", "cancelled")
        assert [one.subject for one in told] == [
            f"headway.v1.booking.{fact}.{OPERATOR}.{departure.id}" for fact in facts
        ]
        kinds = (
            booking_events_pb2.BookingHeld,
            booking_events_pb2.BookingConfirmed,
            booking_events_pb2.BookingCancelled,
        )
        summaries = [kind.FromString(one.data).booking for kind, one in zip(kinds, told, strict=True)]
        assert {one.booking_id for one in summaries} == {held.id}
        assert [one.version for one in summaries] == [1, 3, 4]
        assert [one.headers["ce-type"] for one in told] == [kind.DESCRIPTOR.full_name for kind in kinds]

        changes = await messages(nats.url, "AVAILABILITY", 2)
        seats = [availability_events_pb2.AvailabilityChanged.FromString(one.data) for one in changes]
        assert [(list(one.seats_free), one.version) for one in seats] == [([49, 49, 50], 1), ([50, 50, 50], 2)]
        assert {one.subject for one in changes} == {f"headway.v1.availability.changed.{OPERATOR}.{departure.id}"}

    for one in (published, *told, *changes):
        assert one.headers["Nats-Msg-Id"] == one.headers["ce-id"]
        assert one.headers["ce-source"] == "headway/booking"
        assert began <= datetime.fromisoformat(one.headers["ce-time"]) <= datetime.now(UTC)
        assert one.headers["traceparent"].startswith("00-")
    assert len({one.headers["ce-id"] for one in (published, *told, *changes)}) == 6
    # What one request did is told under the trace of that request.
    assert told[0].headers["traceparent"].split("-")[1] == TRACEPARENT.split("-")[1]


async def test_what_happened_while_the_broker_was_away_is_told_when_it_is_back(
    ready_sqlite_url: str, tmp_path: Path, provider: Provider, nats: NatsServer
) -> None:
    async with serving(ready_sqlite_url, tmp_path, provider, nats.url) as booking:
        await messages(nats.url, "BOOKING", 0)
        nats.kill()
        departure = await booking.publish(starts_at=datetime.now(UTC).replace(microsecond=0) + timedelta(days=8))
        held = [(await booking.hold((departure, 0, 1))).id for _ in range(5)]
        assert {event.published_at for event in events(booking.store)} == {None}
        nats.start_again()
        told = await messages(nats.url, "BOOKING", 5)
    assert [booking_events_pb2.BookingHeld.FromString(one.data).booking.booking_id for one in told] == held


async def test_the_service_says_how_it_is(on_sqlite: service.Booking) -> None:
    stub = health_pb2_grpc.HealthStub(on_sqlite.channel)
    for name in ("", "headway.booking.v1.BookingService", "headway.booking.v1.TimetableService"):
        answer = await stub.Check(health_pb2.HealthCheckRequest(service=name))
        assert answer.status == health_pb2.HealthCheckResponse.SERVING


async def test_what_was_acknowledged_is_there_after_a_restart(
    ready_sqlite_url: str, tmp_path: Path, provider: Provider
) -> None:
    async with serving(ready_sqlite_url, tmp_path, provider, service.NOBODY) as first:
        departure = await first.publish(starts_at=datetime.now(UTC).replace(microsecond=0) + timedelta(days=8))
        held = await first.hold((departure, 0, 3))
    async with serving(ready_sqlite_url, tmp_path, provider, service.NOBODY) as second:
        assert await second.get(held.id) == held
        assert (await second.confirm(held.id)).state == bookings_pb2.BOOKING_STATE_CONFIRMED


async def test_what_was_acknowledged_while_the_service_stopped_is_there_too(
    ready_sqlite_url: str, tmp_path: Path, provider: Provider
) -> None:
    async with serving(ready_sqlite_url, tmp_path, provider, service.NOBODY) as booking:
        departure = await booking.publish(starts_at=datetime.now(UTC).replace(microsecond=0) + timedelta(days=8))
        calls = [asyncio.ensure_future(booking.hold((departure, 0, 1))) for _ in range(20)]
        await until(lambda: any(call.done() for call in calls))
    answered = await asyncio.gather(*calls, return_exceptions=True)
    ids = {one.id for one in answered if isinstance(one, bookings_pb2.Booking)}
    async with serving(ready_sqlite_url, tmp_path, provider, service.NOBODY) as again:
        assert ids <= {row.id for row in rows(again.store, BOOKINGS)}
        assert ids


@pytest.mark.parametrize("missing", ["payments_url", "keys_dir", "database_url", "nats_url"])
def test_a_setting_that_is_missing_is_named(missing: str) -> None:
    environment = {
        "BOOKING_DATABASE_URL": "sqlite:///x",
        "HEADWAY_NATS_URL": "nats://x",
        "HEADWAY_KEYS_DIR": "/x",
        "BOOKING_PAYMENTS_URL": "http://x",
    }
    left = {name: value for name, value in environment.items() if not name.endswith(missing.upper())}
    with pytest.raises(SystemExit, match=f"BOOKING_{missing.upper()}"):
        service.BookingSettings.from_environment(left)
    assert service.BookingSettings.from_environment(environment).hold_seconds == 600
