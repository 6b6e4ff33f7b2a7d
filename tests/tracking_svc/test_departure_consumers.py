"""Departures and seats come from booking's streams, over a real broker; patterns are asked for when they are met."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from headway.booking.v1 import availability_events_pb2, departure_events_pb2
from headway.types.v1 import timetable_pb2
from sqlalchemy.engine import make_url

from chassis.bus import ROOT, Bus, Message, Stream
from chassis.keys import Signer
from tests.clocks import FixedClock
from tests.pricing_svc.timetable import serving
from tests.servers import NatsServer
from tests.tracking_svc import fleet
from tests.tracking_svc.fleet import Tracking, until
from tests.tracking_svc.timetable import BookingsTimetable, departure, departure_message, pattern_message
from tracking_svc.domain.departures import Availability, Departure
from tracking_svc.settings import TrackingSettings

STREAMS = tuple(Stream(name, (f"{ROOT}.{name.lower()}.>",)) for name in ("DEPARTURE", "AVAILABILITY"))


@pytest.fixture
async def booking(keys_dir, clock: FixedClock) -> AsyncIterator[BookingsTimetable]:
    found = BookingsTimetable()
    found.know(pattern_message())
    async with serving(found, keys_dir, clock) as address:
        found.address = address
        yield found


@pytest.fixture
async def bus(nats: NatsServer) -> AsyncIterator[Bus]:
    """A connection as booking has one, with its streams."""
    found = Bus(nats.url, name="booking", streams=STREAMS)
    await found.connect()
    for stream in STREAMS:
        await found.ensure(stream)
    yield found
    await found.close()


@pytest.fixture
def connected(settings: TrackingSettings, nats: NatsServer, booking: BookingsTimetable) -> TrackingSettings:
    return settings.model_copy(update={"nats_url": nats.url, "booking_address": booking.address})


@pytest.fixture
async def following(
    connected: TrackingSettings, gateway: Signer, clock: FixedClock, bus: Bus
) -> AsyncIterator[Tracking]:
    async with fleet.serving(connected, gateway, clock) as running:
        yield running


async def tell(bus: Bus, fact: str, event: Any, *, id_: str) -> None:
    headers = {"ce-id": id_, "ce-type": event.DESCRIPTOR.full_name}
    await bus.publish_one(Message(id_, f"{ROOT}.{fact}.opr_sea.dep_1", event.SerializeToString(), headers))


async def known(tracking: Tracking, id_: str = "dep_1") -> Departure | None:
    found: dict[str, Departure] = await tracking.store.read(lambda work: work.departures.find([id_]))
    return found.get(id_)


@pytest.mark.parametrize("kind", ["DeparturePublished", "DepartureChanged", "DepartureCancelled", "VehicleAssigned"])
async def test_every_fact_that_carries_a_departure_is_taken_in(following: Tracking, bus: Bus, kind: str):
    event = getattr(departure_events_pb2, kind)(departure=departure_message())
    await tell(bus, "departure.any", event, id_="evt_1")
    await until(lambda: known(following))
    assert await known(following) == departure()


async def test_an_event_waits_until_booking_tells_the_pattern(
    following: Tracking, bus: Bus, booking: BookingsTimetable
):
    booking.is_down = True
    event = departure_events_pb2.DeparturePublished(departure=departure_message())
    await tell(bus, "departure.published", event, id_="evt_1")
    await until(lambda: following.service.bus.is_connected)
    assert await known(following) is None
    booking.is_down = False
    await until(lambda: known(following), seconds=20)


async def test_a_fact_without_a_departure_is_passed_over(following: Tracking, bus: Bus):
    await tell(bus, "departure.other", timetable_pb2.Stop(id="stp_1"), id_="evt_1")
    event = departure_events_pb2.DeparturePublished(departure=departure_message())
    await tell(bus, "departure.published", event, id_="evt_2")
    await until(lambda: known(following))


async def test_how_full_a_departure_is_follows(following: Tracking, bus: Bus):
    event = availability_events_pb2.AvailabilityChanged(
        departure_id="dep_1", operator_id="opr_sea", capacity=50, seats_free=[48, 47, 50], version=2
    )
    await tell(bus, "availability.changed", event, id_="evt_1")

    await until(lambda: seats(following))
    assert await seats(following) == Availability("dep_1", 50, (48, 47, 50), 2)


async def seats(tracking: Tracking) -> Availability | None:
    return await tracking.store.read(lambda work: work.departures.availabilities(["dep_1"]).get("dep_1"))


async def tell_all(bus: Bus, version: int) -> None:
    published = departure_events_pb2.DeparturePublished(departure=departure_message(version=version))
    await tell(bus, "departure.published", published, id_=f"evt_dep_{version}")
    changed = availability_events_pb2.AvailabilityChanged(
        departure_id="dep_1", operator_id="opr_sea", capacity=50, seats_free=[50 - version], version=version
    )
    await tell(bus, "availability.changed", changed, id_=f"evt_seats_{version}")


async def is_as_told(tracking: Tracking, version: int) -> bool:
    found, left = await known(tracking), await seats(tracking)
    return bool(found and left) and (found.version, left.version) == (version, version)


async def test_it_follows_again_when_the_brokers_data_were_deleted(following: Tracking, bus: Bus, nats: NatsServer):
    await tell_all(bus, 1)
    await until(lambda: is_as_told(following, 1))
    nats.kill()
    await until(lambda: not bus.is_connected)
    nats.delete_data()
    nats.start_again()
    await until(lambda: bus.is_connected)
    for stream in STREAMS:
        await bus.ensure(stream)
    await tell_all(bus, 1)
    await tell_all(bus, 2)
    await until(lambda: is_as_told(following, 2), seconds=20)


async def test_a_service_that_lost_its_database_finds_departures_and_seats_again(
    connected: TrackingSettings, gateway: Signer, clock: FixedClock, bus: Bus
):
    await tell_all(bus, 1)
    for _life in (1, 2):
        async with fleet.serving(connected, gateway, clock) as running:
            await until(lambda: is_as_told(running, 1))
            await until(lambda: is_all_acknowledged(bus))
        for file in Path(make_url(connected.database_url).database or "").parent.glob("*.db*"):
            file.unlink()


async def is_all_acknowledged(bus: Bus) -> bool:
    """Tell whether the broker would not send anything again by itself."""
    names = {"DEPARTURE": "tracking_departures", "AVAILABILITY": "tracking_availability"}
    found = [await bus.ask(f"CONSUMER.INFO.{stream}.{durable}", {}) for stream, durable in names.items()]
    return not any(one["num_pending"] or one["num_ack_pending"] for one in found)
