"""Builds the whole service from its settings and starts nothing."""

from datetime import timedelta
from functools import partial
from pathlib import Path

from headway.pricing.v1 import pricing_service_pb2, pricing_service_pb2_grpc
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
from pricing_svc import translate
from pricing_svc.consumers import build_consumers
from pricing_svc.flows.learn_departures import Learning
from pricing_svc.flows.quoting import Quoting
from pricing_svc.flows.timetable import Timetable
from pricing_svc.loops import build_loops
from pricing_svc.servicers.access import RULES
from pricing_svc.servicers.pricing import PricingServicer
from pricing_svc.settings import PricingSettings
from pricing_svc.store.work import Memory, Work

MIGRATIONS = Path(__file__).parent / "store" / "migrations"


def open_store(database_url: str, clock: Clock, registry: CollectorRegistry | None = None) -> Store[Work]:
    """Open the database and bring it up to date."""
    database = Database(database_url)
    migrate(database, MIGRATIONS)
    open_work = partial(Work, encode=translate.event_out, memory=Memory())
    return Store(database, open_work, clock, metrics=Metrics(registry))


def build(settings: PricingSettings, clock: Clock | None = None, registry: CollectorRegistry = REGISTRY) -> Service:
    """Wire the parts together."""
    clock = clock or SystemClock()
    store = open_store(settings.database_url, clock, registry)
    signer = open_signer("pricing", settings.keys_dir)
    timetable = Timetable(settings.booking_address, ServiceIdentity(signer, now=clock.now))
    learning = Learning(store, timetable)
    quoting = Quoting(store, learning, lifetime=timedelta(seconds=settings.quote_seconds))
    bus = Bus(settings.nats_url, name="pricing", streams=translate.STREAMS)
    edge = Edge(RULES, Verifier(settings.keys_dir / "trusted"), clock, registry=registry)
    server = RpcServer(edge, host=settings.grpc_host, port=settings.grpc_port, has_reflection=settings.reflection)
    server.add(
        pricing_service_pb2_grpc.add_PricingServiceServicer_to_server,
        PricingServicer(store, quoting, signer),
        pricing_service_pb2.DESCRIPTOR.services_by_name["PricingService"],
    )
    consumers = [follow_events(store, consumer) for consumer in build_consumers(store, bus, learning, registry)]
    return Service(
        name="pricing",
        store=store,
        bus=bus,
        relay=Relay(store, bus, source="headway/pricing", registry=registry),
        server=server,
        loops=[*consumers, *build_loops(store, timetable, learning)],
        closing=[timetable.close],
        metrics_port=settings.metrics_port,
    )
