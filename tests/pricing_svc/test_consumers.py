"""What booking tells by events is kept, whatever order and however often it comes."""

from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from headway.booking.v1 import availability_events_pb2, departure_events_pb2, feed_events_pb2
from headway.pricing.v1 import fare_events_pb2
from headway.types.v1 import timetable_pb2
from nats import connect
from nats.js import JetStreamContext
from nats.js.errors import NotFoundError
from sqlalchemy.engine import make_url

from chassis.bus import ROOT, Bus, Message, Stream
from chassis.inbox import Inbox
from chassis.keys import Signer
from pricing_svc import translate
from pricing_svc.settings import PricingSettings
from tests.clocks import FixedClock
from tests.pricing_svc import network, service, timetable
from tests.pricing_svc.network import START, asked
from tests.pricing_svc.service import Pricing, refusal, until
from tests.pricing_svc.timetable import BookingsTimetable
from tests.servers import NatsServer

BOOKINGS_STREAMS = (
    *(Stream(name, (f"{ROOT}.{name.lower()}.>",)) for name in ("DEPARTURE", "AVAILABILITY")),
    Stream("FEED", (f"{ROOT}.feed.>",), messages_per_subject=1, days=0),
)


@pytest.fixture
async def bus(nats: NatsServer) -> AsyncIterator[Bus]:
    """A connection as booking has one, with its streams."""
    found = Bus(nats.url, name="booking", streams=BOOKINGS_STREAMS)
    await found.connect()
    for stream in BOOKINGS_STREAMS:
        await found.ensure(stream)
    yield found
    await found.close()


@pytest.fixture
def connected(settings: PricingSettings, nats: NatsServer, bus: Bus) -> PricingSettings:
    """Settings of a service whose broker is there, and booking's streams on it."""
    return settings.model_copy(update={"nats_url": nats.url})


@pytest.fixture
async def following(connected: PricingSettings, gateway: Signer, clock: FixedClock) -> AsyncIterator[Pricing]:
    """The service with a broker."""
    async with service.serving(connected, gateway, clock) as running:
        yield running


@pytest.fixture
async def broker(nats: NatsServer) -> AsyncIterator[JetStreamContext]:
    """What an operator of the broker sees and does."""
    client = await connect(nats.url)
    yield client.jetstream()
    await client.close()


def told(fact: str, event: Any, *, id_: str, type_: str = "") -> Message:
    headers = {"ce-id": id_, "ce-type": type_ or event.DESCRIPTOR.full_name}
    return Message(id_, f"{ROOT}.{fact}.opr_sea.dep_1", event.SerializeToString(), headers)


async def tell(bus: Bus, fact: str, event: Any, *, id_: str, type_: str = "") -> int:
    return await bus.publish_one(told(fact, event, id_=id_, type_=type_))


def departure_told(departure: timetable_pb2.Departure, *, id_: str = "", fact: str = "changed") -> Message:
    kind = {
        "published": departure_events_pb2.DeparturePublished,
        "changed": departure_events_pb2.DepartureChanged,
        "cancelled": departure_events_pb2.DepartureCancelled,
        "vehicle_assigned": departure_events_pb2.VehicleAssigned,
    }[fact]
    event = kind(departure=departure)
    return told(f"departure.{fact}", event, id_=id_ or f"evt_{departure.id}_{departure.version}")


async def tell_departure(bus: Bus, departure: timetable_pb2.Departure, *, id_: str = "", fact: str = "changed") -> None:
    await bus.publish_one(departure_told(departure, id_=id_, fact=fact))


def availability(version: int, *seats_free: int) -> availability_events_pb2.AvailabilityChanged:
    event = availability_events_pb2.AvailabilityChanged(
        departure_id="dep_1", operator_id="opr_sea", capacity=50, seats_free=seats_free, version=version
    )
    event.observed_at.FromDatetime(START)
    return event


async def version_of(pricing: Pricing, id_: str = "dep_1") -> int:
    found = await pricing.store.read(lambda work: work.departures.find([id_]))
    return found[id_].version if found else 0


async def received(pricing: Pricing) -> int:
    count = sa.select(sa.func.count()).select_from(Inbox.table)
    found: int = await pricing.store.read(lambda work: work.connection.execute(count).scalar_one())
    return found


@pytest.mark.parametrize("fact", ["published", "changed", "cancelled", "vehicle_assigned"])
async def test_every_fact_that_carries_a_departure_is_taken_in(following: Pricing, bus: Bus, fact: str):
    await tell_departure(bus, network.message(), fact=fact)
    await until(lambda: following.knows("dep_1"))
    assert (await following.store.read(lambda work: work.departures.find(["dep_1"])))["dep_1"] == network.departure()


async def test_an_event_changes_the_next_quote(following: Pricing, bus: Bus):
    await tell_departure(bus, network.message(version=1), fact="published")
    await until(lambda: following.knows("dep_1"))
    assert (await following.quote(asked())).total.amount_minor == 505
    longer = [(stop, zone, meters * 10) for stop, zone, meters in network.LINE]
    await tell_departure(bus, network.message(version=2, line=longer))
    await until(lambda: is_version(following, 2))
    assert (await following.quote(asked())).total.amount_minor == 3260
    await tell_departure(bus, network.message(version=3, state="CANCELLED"), fact="cancelled")
    await until(lambda: is_version(following, 3))
    assert (await refusal(following.quote(asked()))).reason == "DEPARTURE_CANCELLED"


async def is_version(pricing: Pricing, version: int, id_: str = "dep_1") -> bool:
    return await version_of(pricing, id_) == version


async def test_an_older_version_that_comes_late_changes_nothing(following: Pricing, bus: Bus):
    await tell_departure(bus, network.message(version=3, state="CANCELLED"), fact="cancelled")
    await tell_departure(bus, network.message(version=2))
    await tell_departure(bus, network.message(version=1), fact="published")
    await until(lambda: is_received(following, 3))
    assert await version_of(following) == 3


async def is_received(pricing: Pricing, count: int) -> bool:
    return await received(pricing) == count


async def test_an_event_that_comes_twice_has_its_effect_once(following: Pricing, bus: Bus, broker: JetStreamContext):
    await tell_departure(bus, network.message(version=1), id_="evt_1")
    await until(lambda: is_received(following, 1))
    # The broker knows the id and drops it; a stream that was lost and replayed does not.
    await broker.delete_stream("DEPARTURE")
    await bus.ensure(BOOKINGS_STREAMS[0])
    await tell_departure(bus, network.message(version=2), id_="evt_1")
    await tell_departure(bus, network.message("dep_2"), id_="evt_2")
    await until(lambda: following.knows("dep_2"))
    assert (await version_of(following), await received(following)) == (1, 2)


async def test_events_from_before_the_service_started_are_taken_in(
    connected: PricingSettings, gateway: Signer, clock: FixedClock, bus: Bus
):
    await tell_departure(bus, network.message(version=4))
    async with service.serving(connected, gateway, clock) as pricing:
        await until(lambda: is_version(pricing, 4))
    await tell_departure(bus, network.message(version=5))
    async with service.serving(connected, gateway, clock) as pricing:
        await until(lambda: is_version(pricing, 5))
        assert await received(pricing) == 2


async def test_events_of_a_new_pattern_wait_for_booking_and_others_go_on(
    connected: PricingSettings, gateway: Signer, clock: FixedClock, bus: Bus, broker: JetStreamContext
):
    away = BookingsTimetable()
    async with timetable.serving(away, connected.keys_dir, clock) as address:
        pass
    apart = connected.model_copy(update={"booking_address": address})
    async with service.serving(apart, gateway, clock) as pricing:
        await pricing.keep(network.departure("dep_0"))
        new = [network.message(f"dep_{number}", line=network.LINE[:3]) for number in (1, 2, 3)]
        for departure in new:
            await tell_departure(bus, departure)
        await until(lambda: is_redelivering(broker, 3))
        await tell_departure(bus, network.message("dep_0", version=7))
        await until(lambda: is_version(pricing, 7, "dep_0"))
        assert (await pricing.quote(asked(network.leg("dep_0")))).total.amount_minor == 505
        assert not await pricing.knows("dep_1")
        async with timetable.serving(away, connected.keys_dir, clock, port=int(address.rpartition(":")[2])):
            for departure in new:
                await until(lambda id_=departure.id: pricing.knows(id_), seconds=40)
    assert away.patterns_asked == [new[0].pattern_id]
    assert away.asked == []


async def is_redelivering(broker: JetStreamContext, count: int) -> bool:
    # The service makes its consumer a moment after it is up.
    with suppress(NotFoundError):
        return (await broker.consumer_info("DEPARTURE", "pricing_departures")).num_redelivered == count
    return False


async def test_what_was_told_while_the_service_was_away_is_caught_up_with(
    connected: PricingSettings, gateway: Signer, clock: FixedClock, bus: Bus, booking: BookingsTimetable
):
    lines = [
        [(f"stp_{letter}", "", meters * number) for letter, meters in (("a", 0), ("c", 100))] for number in range(20)
    ]
    new = [network.message(f"dep_{number}", line=lines[number % 20]) for number in range(1000)]
    for start in (0, 500):
        await bus.publish_batch([departure_told(departure) for departure in new[start : start + 500]])
    async with service.serving(connected, gateway, clock) as pricing:
        await until(lambda: is_received(pricing, 1000), seconds=30)
        found = await pricing.store.read(lambda work: work.departures.find([departure.id for departure in new]))
    assert {id_: departure.pattern_id for id_, departure in found.items()} == {one.id: one.pattern_id for one in new}
    assert sorted(booking.patterns_asked) == sorted({departure.pattern_id for departure in new})


async def test_a_fact_that_carries_no_departure_is_passed_over(following: Pricing, bus: Bus, broker: JetStreamContext):
    empty = departure_events_pb2.DepartureChanged()
    await tell(bus, "departure.not_coming", empty, id_="evt_1", type_="headway.booking.v1.DepartureNotComing")
    await tell_departure(bus, network.message())
    await until(lambda: following.knows("dep_1"))
    await until(lambda: is_all_acknowledged(broker, "pricing_departures"))


async def is_all_acknowledged(broker: JetStreamContext, durable: str, stream: str = "DEPARTURE") -> bool:
    info = await broker.consumer_info(stream, durable)
    return info.num_ack_pending == 0 and info.num_pending == 0


async def test_an_event_that_cannot_be_read_holds_up_no_other(following: Pricing, bus: Bus):
    broken = network.message("dep_0")
    network.alter(broken, 1, distance_meters=-5)
    await tell_departure(bus, broken)
    await tell_departure(bus, network.message())
    await until(lambda: following.knows("dep_1"))
    assert not await following.knows("dep_0")


async def test_how_full_a_departure_is_follows_the_newest_event(following: Pricing, bus: Bus):
    for version, seats in ((1, (50, 50, 50)), (3, (48, 47, 50)), (2, (49, 49, 50))):
        await tell(bus, "availability.changed", availability(version, *seats), id_=f"evt_{version}")
    await until(lambda: is_received(following, 3))
    found = await following.store.read(lambda work: work.availabilities.find("dep_1"))
    assert (found.version, found.capacity, found.seats_free) == (3, 50, (48, 47, 50))
    assert found.observed_at == START.astimezone(UTC)


def feed_told(
    amount_minor: int, *, id_: str = "fed_1", zones: tuple[str, str] = ("Z1", "Z2"), **others: Any
) -> Message:
    event = feed_events_pb2.FeedPublished(feed_id=id_, operator_id="opr_sea")
    event.fares.currency = others.get("currency", "USD")
    event.fares.fares.add(origin_zone_id=zones[0], destination_zone_id=zones[1], amount_minor=amount_minor)
    return told(f"feed.{id_}", event, id_=f"evt_{id_}")


async def price(pricing: Pricing) -> tuple[int, str]:
    total = (await pricing.quote(asked())).total
    return total.amount_minor, total.currency


async def is_price(pricing: Pricing, *expected: object) -> bool:
    return await price(pricing) == expected


async def test_a_feed_s_fares_are_charged_and_told(following: Pricing, bus: Bus, broker: JetStreamContext):
    await following.keep(network.departure())
    assert await price(following) == (505, "EUR")
    await bus.publish_one(feed_told(825))
    await until(lambda: is_price(following, 825, "USD"))
    await until(lambda: is_published(broker))
    found = await broker.get_last_msg("FARE", f"{ROOT}.fare.policy_published.opr_sea.opr_sea")
    event = fare_events_pb2.FarePolicyPublished.FromString(found.data)
    assert (event.policy.feed_id, event.policy.version, event.policy.zone_fares[0].amount_minor) == ("fed_1", 1, 825)


async def test_feeds_without_fares_and_with_impossible_ones_hold_up_no_other(following: Pricing, bus: Bus):
    await following.keep(network.departure())
    empty = feed_events_pb2.FeedPublished(feed_id="fed_0", operator_id="opr_sea")
    await tell(bus, "feed.fed_0", empty, id_="evt_fed_0")
    await bus.publish_one(feed_told(700, id_="fed_1", currency="dollars"))
    await bus.publish_one(feed_told(10**12, id_="fed_2"))
    await bus.publish_one(feed_told(825, id_="fed_3"))
    await until(lambda: is_price(following, 825, "USD"))
    policy = await following.store.read(lambda work: work.fare_policies.newest("opr_sea"))
    assert (policy.version, policy.feed_id) == (1, "fed_3")


async def test_a_service_that_lost_its_database_finds_everything_again(
    connected: PricingSettings, gateway: Signer, clock: FixedClock, bus: Bus, booking: BookingsTimetable
):
    booking.add(network.message("dep_1"))
    await tell_departure(bus, network.message("dep_1"))
    await bus.publish_one(feed_told(700, id_="fed_1"))
    await bus.publish_one(feed_told(825, id_="fed_2"))
    await tell(bus, "availability.changed", availability(3, 48, 47, 50), id_="evt_seats")
    for _life in (1, 2):
        async with service.serving(connected, gateway, clock) as pricing:
            await until(lambda: pricing.knows("dep_1"))
            await until(lambda: is_price(pricing, 825, "USD"))
            await until(lambda: pricing.store.read(lambda work: work.availabilities.find("dep_1")))
            await until(lambda: is_received(pricing, 4))
        for file in Path(make_url(connected.database_url).database).parent.glob("*.db*"):
            file.unlink()


async def test_what_was_taken_in_does_not_come_again_after_a_restart(
    connected: PricingSettings, gateway: Signer, clock: FixedClock, bus: Bus, broker: JetStreamContext
):
    await bus.publish_one(feed_told(825))
    async with service.serving(connected, gateway, clock) as pricing:
        await until(lambda: is_received(pricing, 1))
        await until(lambda: is_all_acknowledged(broker, "pricing_feeds", "FEED"))
    await bus.publish_one(feed_told(700, id_="fed_2"))
    async with service.serving(connected, gateway, clock) as pricing:
        await until(lambda: is_received(pricing, 2))
    assert (await broker.consumer_info("FEED", "pricing_feeds")).delivered.consumer_seq == 2


async def test_a_policy_that_comes_into_force_is_told_to_everybody(following: Pricing, broker: JetStreamContext):
    await following.put_in_force(network.policy())
    await until(lambda: is_published(broker))
    found = await broker.get_last_msg("FARE", f"{ROOT}.fare.policy_published.opr_sea.opr_sea")
    assert found.headers["ce-type"] == "headway.pricing.v1.FarePolicyPublished"
    assert found.headers["ce-source"] == "headway/pricing"
    event = fare_events_pb2.FarePolicyPublished.FromString(found.data)
    assert translate.fare_policy_in(event.policy) == network.policy()
    assert (event.policy.version, event.policy.is_published) == (1, True)


async def is_published(broker: JetStreamContext) -> bool:
    info = await broker.streams_info()
    return any(stream.config.name == "FARE" and stream.state.messages for stream in info)
