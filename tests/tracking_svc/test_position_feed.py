"""Where vehicles move to goes to the broker; reports never wait for it nor fail with it."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, timedelta

import nats as nats_client
import pytest
from headway.tracking.v1 import position_events_pb2
from nats.aio.subscription import Subscription
from nats.js.api import StorageType
from nats.js.errors import NotFoundError

from chassis.bus import Bus
from chassis.keys import Signer
from tests.clocks import FixedClock
from tests.servers import NatsServer
from tests.tracking_svc import fleet
from tests.tracking_svc.fleet import ADMIN, COACH, FERRY, Tracking, history, position, until, way, wire
from tracking_svc.domain.vehicles import Sighting, Vehicle
from tracking_svc.flows.position_feed import PositionFeed
from tracking_svc.settings import TrackingSettings
from tracking_svc.translate import position_reported_out

PositionReported = position_events_pb2.PositionReported


@pytest.fixture
async def tracking(
    settings: TrackingSettings, gateway: Signer, clock: FixedClock, nats: NatsServer
) -> AsyncIterator[Tracking]:
    """The service with a broker of its own, its stream made."""
    with_broker = settings.model_copy(update={"nats_url": nats.url})
    async with fleet.serving(with_broker, gateway, clock) as running:
        yield running


@pytest.fixture
async def watcher(nats: NatsServer) -> AsyncIterator[nats_client.NATS]:
    client = await nats_client.connect(nats.url)
    yield client
    await client.close()


async def listening(client: nats_client.NATS) -> Subscription:
    subscription = await client.subscribe("headway.v1.position.>")
    await client.flush()
    return subscription


async def next_of(subscription: Subscription) -> tuple[str, PositionReported]:
    message = await subscription.next_msg(timeout=10)
    return message.subject, PositionReported.FromString(message.data)


async def send(tracking: Tracking, *points: object, vehicle: Vehicle = FERRY) -> object:
    return await tracking.stub.ReportPositions(
        wire(list(points), vehicle=vehicle.id, session=""), metadata=tracking.metadata(ADMIN), timeout=20
    )


async def stream_is_there(client: nats_client.NATS) -> bool:
    try:
        await client.jetstream().stream_info("POSITION")
    except NotFoundError:
        return False
    return True


async def test_where_a_vehicle_moves_to_is_published_for_everybody(
    tracking: Tracking, watcher: nats_client.NATS, clock: FixedClock
):
    await until(lambda: tracking.service.bus.is_connected)
    heard = await listening(watcher)
    sent = way(clock.now() - timedelta(seconds=9), [1, 2, 3])
    await send(tracking, *sent)
    subject, event = await next_of(heard)
    assert subject == f"headway.v1.position.{FERRY.operator_id}.{FERRY.id}"
    assert (event.vehicle_id, event.operator_id) == (FERRY.id, FERRY.operator_id)
    assert event.position == wire([sent[-1]]).positions[0]
    assert event.received_at.ToDatetime(UTC) == clock.now()


async def test_nothing_is_published_when_the_vehicle_did_not_move(
    tracking: Tracking, watcher: nats_client.NATS, clock: FixedClock, caplog: pytest.LogCaptureFixture
):
    await until(lambda: tracking.service.bus.is_connected)
    heard = await listening(watcher)
    late, newest, next_one = way(clock.now() - timedelta(seconds=9), [1, 2, 3])
    for batch in ([newest], [newest], [late], [position(9, clock.now(), latitude=91.0)], [next_one]):
        await send(tracking, *batch)
        await asyncio.sleep(0)
    assert [(await next_of(heard))[1].position.sequence for _ in range(2)] == [2, 3]
    assert "loop_failed" not in [record.getMessage() for record in caplog.records]


async def test_the_stream_is_in_memory_and_keeps_ten_positions_of_each_vehicle(
    tracking: Tracking, watcher: nats_client.NATS, clock: FixedClock
):
    await until(lambda: stream_is_there(watcher))
    heard = await listening(watcher)
    for point in way(clock.now() - timedelta(minutes=1), range(1, 16)):
        for vehicle in (FERRY, COACH):
            await send(tracking, point, vehicle=vehicle)
            await next_of(heard)
    await until(lambda: kept(watcher, 20))
    config = (await watcher.jetstream().stream_info("POSITION")).config
    assert (config.storage, config.max_msgs_per_subject, config.max_age) == (StorageType.MEMORY, 10, 86_400)
    last = await watcher.jetstream().get_last_msg("POSITION", f"headway.v1.position.{COACH.operator_id}.{COACH.id}")
    assert PositionReported.FromString(last.data).position.sequence == 15


async def kept(client: nats_client.NATS, count: int) -> bool:
    return (await client.jetstream().stream_info("POSITION")).state.messages == count


async def test_reports_succeed_while_the_broker_is_away_and_are_heard_of_when_it_is_back(
    tracking: Tracking, nats: NatsServer, clock: FixedClock
):
    await until(lambda: tracking.service.bus.is_connected)
    nats.kill()
    points = way(clock.now() - timedelta(minutes=2), range(1, 100))
    for point in points[:50]:
        async with asyncio.timeout(5):
            assert (await send(tracking, point)).accepted == 1
    assert history(tracking.store) == points[:50]
    nats.start_again()
    await until(lambda: tracking.service.bus.is_connected, seconds=20)
    watcher = await nats_client.connect(nats.url)
    heard = await listening(watcher)
    await send(tracking, points[50])
    assert (await next_of(heard))[1].position.sequence == 51
    await watcher.close()


async def test_a_subject_cannot_be_broken_by_an_identifier(clock: FixedClock):
    sighting = Sighting(position(1, clock.now()), clock.now())
    subject, _ = position_reported_out(Vehicle("a.b >", "*", "", 1), sighting)
    assert subject == f"headway.v1.position.~2a.~{b'a.b >'.hex()}"


class SlowBus(Bus):
    """A broker that takes nothing until it is let."""

    def __init__(self) -> None:
        super().__init__(fleet.NOBODY, name="slow", streams=())
        self.go = asyncio.Event()
        self.published: list[PositionReported] = []

    async def publish(self, subject: str, payload: bytes) -> None:
        await self.go.wait()
        self.published.append(PositionReported.FromString(payload))


async def test_a_slow_broker_gets_the_newest_of_each_vehicle_and_holds_nobody_up(clock: FixedClock):
    bus = SlowBus()
    feed = PositionFeed(bus)
    running = asyncio.ensure_future(feed.run())
    feed.offer(FERRY, Sighting(position(1, clock.now()), clock.now()))
    await asyncio.sleep(0)
    for number in range(2, 1000):
        for vehicle in (FERRY, COACH):
            feed.offer(vehicle, Sighting(position(number, clock.now()), clock.now()))
    bus.go.set()
    await until(lambda: len(bus.published) == 3)
    assert [event.position.sequence for event in bus.published] == [1, 999, 999]
    running.cancel()
    await asyncio.wait([running])
