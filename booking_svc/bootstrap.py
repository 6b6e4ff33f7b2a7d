"""Builds the whole service from its settings and starts nothing."""

import asyncio
from functools import partial
from pathlib import Path

from headway.booking.v1 import booking_service_pb2 as booking_pb
from headway.booking.v1 import (
    booking_service_pb2_grpc,
    bookings_pb2,
    operations_service_pb2_grpc,
    timetable_service_pb2_grpc,
)
from headway.booking.v1 import operations_service_pb2 as operations_pb
from headway.booking.v1 import timetable_service_pb2 as timetable_pb
from prometheus_client import REGISTRY, CollectorRegistry

from booking_svc import loops, translate
from booking_svc.domain.booking import Booking
from booking_svc.encode_event import STREAMS, encode_event
from booking_svc.flows.payment_provider import PaymentProvider
from booking_svc.flows.payments import Payments
from booking_svc.servicers.access import RULES
from booking_svc.servicers.bookings import BookingServicer, HoldLimits
from booking_svc.servicers.operations import OperationsServicer
from booking_svc.servicers.timetable import TimetableServicer
from booking_svc.servicers.tokens import Tokens
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

MIGRATIONS = Path(__file__).parent / "store" / "migrations"


def open_store(database_url: str, clock: Clock, *, metrics: Metrics | None = None) -> Store[Work]:
    """Open the database and bring it up to date."""
    database = Database(database_url)
    migrate(database, MIGRATIONS)
    return Store(database, partial(Work, encode=encode_event), clock, metrics=metrics)


def build(settings: BookingSettings, clock: Clock | None = None, *, registry: CollectorRegistry = REGISTRY) -> Service:
    """Wire the parts together."""
    clock = clock or SystemClock()
    store = open_store(settings.database_url, clock, metrics=Metrics(registry))
    bus = Bus(settings.nats_url, name="booking", streams=STREAMS)
    verifier = Verifier(settings.keys_dir / "trusted")
    tokens = Tokens(open_signer("booking", settings.keys_dir), verifier, clock)
    provider = PaymentProvider(settings.payments_url, timeout_seconds=settings.payment_timeout_seconds)
    refund_now = asyncio.Event()

    def answer(booking: Booking) -> bookings_pb2.Booking:
        return translate.booking_out(booking, now=clock.now())

    payments = Payments(
        store,
        provider,
        answer=answer,
        issue_ticket=tokens.issue_ticket,
        wait_seconds=settings.payment_wait_seconds,
        give_up_seconds=settings.payment_give_up_seconds,
    )
    edge = Edge(RULES, verifier, clock, registry=registry)
    server = RpcServer(edge, host=settings.grpc_host, port=settings.grpc_port, has_reflection=settings.reflection)
    limits = HoldLimits(settings.hold_seconds, settings.holds_per_rider)
    bookings = BookingServicer(store, payments, tokens, limits=limits, answer=answer, refund_now=refund_now)
    register(server, TimetableServicer(store), bookings, OperationsServicer(store))
    return Service(
        "booking",
        store,
        bus,
        Relay(store, bus, source="headway/booking", registry=registry),
        server,
        loops=loops.loops(store, payments, provider, refund_now),
        closing=(payments.close, provider.close),
        metrics_port=settings.metrics_port,
    )


def register(
    server: RpcServer, timetable: TimetableServicer, bookings: BookingServicer, operations: OperationsServicer
) -> None:
    """Serve the services under their names."""
    add_timetable = timetable_service_pb2_grpc.add_TimetableServiceServicer_to_server
    add_bookings = booking_service_pb2_grpc.add_BookingServiceServicer_to_server
    server.add(add_timetable, timetable, timetable_pb.DESCRIPTOR.services_by_name["TimetableService"])
    server.add(add_bookings, bookings, booking_pb.DESCRIPTOR.services_by_name["BookingService"])
    add_operations = operations_service_pb2_grpc.add_OperationsServiceServicer_to_server
    server.add(add_operations, operations, operations_pb.DESCRIPTOR.services_by_name["OperationsService"])
