"""Vehicles come from booking's stream FLEET, over a real broker."""

from collections.abc import AsyncIterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import nats as nats_client
import pytest
from headway.booking.v1 import fleet_events_pb2, vehicles_pb2
from nats.js.api import StorageType, StreamConfig
from sqlalchemy.engine import make_url

from chassis.errors import NotFound
from chassis.keys import Signer
from tests.clocks import FixedClock
from tests.servers import NatsServer
from tests.tracking_svc import fleet
from tests.tracking_svc.fleet import COACH, FERRY, TENDER, Tracking, until
from tracking_svc.domain.vehicles import Vehicle
from tracking_svc.settings import TrackingSettings
from tracking_svc.store.work import Work

REGISTERED = "headway.booking.v1.VehicleRegistered"


@pytest.fixture
async def tracking(
    settings: TrackingSettings, gateway: Signer, clock: FixedClock, nats: NatsServer
) -> AsyncIterator[Tracking]:
    """The service with a broker of its own, knowing no vehicle."""
    with_broker = settings.model_copy(update={"nats_url": nats.url})
    async with fleet.serving(with_broker, gateway, clock, vehicles=()) as running:
        yield running


class Booking:
    """What booking does to the broker."""

    def __init__(self, client: nats_client.NATS) -> None:
        self._jetstream = client.jetstream()

    async def create_stream(self) -> None:
        subjects = ["headway.v1.fleet.>"]
        config = StreamConfig(name="FLEET", subjects=subjects, storage=StorageType.FILE)
        await self._jetstream.add_stream(config)

    async def register(self, vehicle: Vehicle, message_id: str, *, kind: str = REGISTERED) -> None:
        told = vehicles_pb2.Vehicle(
            id=vehicle.id, operator_id=vehicle.operator_id, label=vehicle.label, version=vehicle.version
        )
        payload = fleet_events_pb2.VehicleRegistered(vehicle=told).SerializeToString()
        await self.publish(vehicle, payload, message_id, kind=kind)

    async def publish(self, vehicle: Vehicle, payload: bytes, message_id: str, *, kind: str = REGISTERED) -> None:
        subject = f"headway.v1.fleet.registered.{vehicle.operator_id}.{vehicle.id}"
        headers = {"Nats-Msg-Id": message_id, "ce-id": message_id, "ce-type": kind}
        await self._jetstream.publish(subject, payload, headers=headers)

    async def everything_taken(self) -> bool:
        info = await self._jetstream.consumer_info("FLEET", "tracking")
        return info.num_pending == 0 and info.num_ack_pending == 0

    async def delivered(self) -> int:
        return int((await self._jetstream.consumer_info("FLEET", "tracking")).delivered.consumer_seq)


@pytest.fixture
async def booking(nats: NatsServer) -> AsyncIterator[Booking]:
    client = await nats_client.connect(nats.url)
    yield Booking(client)
    await client.close()


def read(work: Work, vehicle_id: str) -> Vehicle | None:
    try:
        return work.vehicles.get(vehicle_id)
    except NotFound:
        return None


async def knows(tracking: Tracking, vehicle: Vehicle) -> bool:
    return await tracking.store.read(read, vehicle.id) == vehicle


async def test_a_registered_vehicle_can_be_tracked_even_if_the_stream_comes_after_us(
    tracking: Tracking, booking: Booking
):
    await until(lambda: tracking.service.bus.is_connected)
    assert not await knows(tracking, FERRY)
    await booking.create_stream()
    await booking.register(FERRY, "evt_1")
    await booking.register(COACH, "evt_2")
    await until(lambda: knows(tracking, FERRY))
    await until(lambda: knows(tracking, COACH))


async def test_an_event_that_comes_twice_or_late_changes_nothing(tracking: Tracking, booking: Booking):
    newer = replace(FERRY, label="Ferry II", version=3)
    await booking.create_stream()
    await booking.register(newer, "evt_3")
    await booking.register(replace(FERRY, version=2), "evt_2")
    await booking.register(FERRY, "evt_1")
    await booking.register(TENDER, "evt_4")
    await until(lambda: knows(tracking, TENDER))
    await until(booking.everything_taken)
    assert await knows(tracking, newer)


async def test_what_is_no_vehicle_does_not_stop_what_comes_after_it(tracking: Tracking, booking: Booking):
    await booking.create_stream()
    await booking.publish(FERRY, b"\xff\xff", "evt_1")
    await booking.publish(COACH, fleet_events_pb2.VehicleRegistered().SerializeToString(), "evt_2")
    await booking.register(TENDER, "evt_3", kind="headway.booking.v1.SomethingElse")
    await booking.register(FERRY, "evt_4")
    await until(lambda: knows(tracking, FERRY))
    assert not await knows(tracking, TENDER)


async def test_it_goes_on_when_the_broker_was_away(tracking: Tracking, booking: Booking, nats: NatsServer):
    await booking.create_stream()
    await booking.register(FERRY, "evt_1")
    await until(lambda: knows(tracking, FERRY))
    nats.kill()
    await until(lambda: not tracking.service.bus.is_connected)
    nats.start_again()
    await booking.register(COACH, "evt_2")
    await until(lambda: knows(tracking, COACH), seconds=20)


async def test_it_follows_again_when_the_brokers_data_were_deleted(
    tracking: Tracking, booking: Booking, nats: NatsServer
):
    await booking.create_stream()
    await booking.register(FERRY, "evt_1")
    await until(lambda: knows(tracking, FERRY))
    nats.kill()
    await until(lambda: not tracking.service.bus.is_connected)
    nats.delete_data()
    nats.start_again()
    await booking.create_stream()
    await booking.register(FERRY, "evt_1")
    await booking.register(COACH, "evt_2")
    await until(lambda: knows(tracking, COACH), seconds=20)


async def test_a_service_that_lost_its_database_finds_the_fleet_again(
    settings: TrackingSettings, gateway: Signer, clock: FixedClock, nats: NatsServer, booking: Booking
):
    await booking.create_stream()
    await booking.register(FERRY, "evt_1")
    with_broker = settings.model_copy(update={"nats_url": nats.url})
    for _life in (1, 2):
        async with fleet.serving(with_broker, gateway, clock, vehicles=()) as running:
            await until(lambda: knows(running, FERRY))
            await until(booking.everything_taken)
        for file in Path(make_url(settings.database_url).database or "").parent.glob("*.db*"):
            file.unlink()


async def test_what_was_taken_in_does_not_come_again_after_a_restart(
    settings: TrackingSettings, gateway: Signer, clock: FixedClock, nats: NatsServer, booking: Booking
):
    await booking.create_stream()
    with_broker = settings.model_copy(update={"nats_url": nats.url})
    for vehicle in (FERRY, COACH):
        await booking.register(vehicle, f"evt_{vehicle.id}")
        async with fleet.serving(with_broker, gateway, clock, vehicles=()) as running:
            await until(partial(knows, running, vehicle))
            await until(booking.everything_taken)
    assert await booking.delivered() == 2
