"""Builds the whole service from its settings and starts nothing."""

from functools import partial
from pathlib import Path

from prometheus_client import REGISTRY

from booking_svc import loops, translate
from booking_svc.flows.payment_provider import PaymentProvider
from booking_svc.servicers.access import RULES
from booking_svc.servicers.bookings import BookingServicer
from booking_svc.servicers.timetable import TimetableServicer
from booking_svc.settings import BookingSettings
from booking_svc.store.work import Work
from chassis.bus import Bus
from chassis.clock import Clock, SystemClock
from chassis.database import Database
from chassis.keys import Verifier, open_signer
from chassis.lifecycle import Service
from chassis.migrate import migrate
from chassis.relay import Relay
from chassis.rpc_server import Edge, RpcServer
from chassis.store import Store
from chassis.writer import Metrics
from headway.booking.v1 import booking_service_pb2, booking_service_pb2_grpc
from headway.booking.v1 import timetable_service_pb2, timetable_service_pb2_grpc

MIGRATIONS = Path(__file__).parent / "store" / "migrations"


def open_store(settings: BookingSettings, clock: Clock) -> Store[Work]:
    """Open the database and bring it up to date."""
    database = Database(settings.database_url)
    migrate(database, MIGRATIONS)
    return Store(database, partial(Work, encode=translate.event_out), clock, metrics=Metrics(REGISTRY))


def build(settings: BookingSettings, clock: Clock | None = None) -> Service:
    """Wire the parts together."""
    clock = clock or SystemClock()
    store = open_store(settings, clock)
    signer = open_signer("booking", settings.keys_dir)
    verifier = Verifier(settings.keys_dir / "trusted")
    provider = PaymentProvider(settings.payments_url)
    bus = Bus(settings.nats_url, name="booking", streams=translate.STREAMS)
    relay = Relay(store, bus, source="headway/booking", registry=REGISTRY)
    edge = Edge(RULES, verifier, clock, registry=REGISTRY)
    server = RpcServer(
        edge, host=settings.grpc_host, port=settings.grpc_port, has_reflection=settings.reflection
    )
    ...
    return Service("booking", store, bus, relay, server, closing=[provider.close], metrics_port=settings.metrics_port)
