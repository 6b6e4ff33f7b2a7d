"""Builds the whole service from its settings and starts nothing."""

from functools import partial
from pathlib import Path

from headway.tracking.v1 import tracking_service_pb2, tracking_service_pb2_grpc
from prometheus_client import REGISTRY, CollectorRegistry

from chassis.bus import Bus
from chassis.clock import Clock, SystemClock
from chassis.consumer import follow_events
from chassis.database import Database
from chassis.keys import Verifier, open_signer
from chassis.lifecycle import Service
from chassis.migrate import migrate
from chassis.relay import Relay
from chassis.rpc_client import ServiceIdentity
from chassis.rpc_server import Edge, RpcServer
from chassis.store import Store
from chassis.writer import Metrics
from tracking_svc import translate
from tracking_svc.consumers import build_consumers
from tracking_svc.flows.learn_departures import Learning
from tracking_svc.flows.position_feed import PositionFeed
from tracking_svc.flows.timetable import Timetable
from tracking_svc.flows.watchers import Watchers
from tracking_svc.loops import build_loops
from tracking_svc.servicers.access import RULES
from tracking_svc.servicers.tracking import TrackingServicer
from tracking_svc.settings import TrackingSettings
from tracking_svc.store.work import Work

MIGRATIONS = Path(__file__).parent / "store" / "migrations"
STREAMS_MAX = 12_000
"""Every driver has a stream open all day; most are idle at any moment."""
TRACKING_SERVICE = tracking_service_pb2.DESCRIPTOR.services_by_name["TrackingService"]


def open_store(database_url: str, clock: Clock, registry: CollectorRegistry | None = None) -> Store[Work]:
    """Open the database and bring it up to date."""
    database = Database(database_url)
    migrate(database, MIGRATIONS)
    open_work = partial(Work, encode=translate.event_out, memory={})
    return Store(database, open_work, clock, metrics=Metrics(registry))


def build(settings: TrackingSettings, clock: Clock | None = None, *, registry: CollectorRegistry = REGISTRY) -> Service:
    """Wire the parts together."""
    clock = clock or SystemClock()
    store = open_store(settings.database_url, clock, registry)
    identity = ServiceIdentity(open_signer("tracking", settings.keys_dir), now=clock.now)
    timetable = Timetable(settings.booking_address, identity)
    learning = Learning(store, timetable)
    verifier = Verifier(settings.keys_dir / "trusted")
    bus = Bus(settings.nats_url, name="tracking", streams=translate.STREAMS)
    relay = Relay(store, bus, source="headway/tracking", registry=registry)
    feed = PositionFeed(bus)
    watchers = Watchers(store)
    edge = Edge(RULES, verifier, clock, registry=registry)
    edge.on_stopping.append(watchers.close)
    host, port, reflection = settings.grpc_host, settings.grpc_port, settings.reflection
    server = RpcServer(edge, host=host, port=port, has_reflection=reflection, calls_max=STREAMS_MAX)
    server.add(
        tracking_service_pb2_grpc.add_TrackingServiceServicer_to_server,
        TrackingServicer(watchers, feed, verifier=verifier, clock=clock),
        TRACKING_SERVICE,
    )
    found = build_consumers(store, bus, learning, watchers, registry)
    consumers = [follow_events(store, consumer) for consumer in found]
    return Service(
        name="tracking",
        store=store,
        bus=bus,
        relay=relay,
        server=server,
        loops=[*consumers, feed.run, watchers.run, *build_loops(store, timetable, learning)],
        closing=[timetable.close],
        metrics_port=settings.metrics_port,
    )
