"""A process that stands for booking: TimetableService on a socket, with the real checks of who calls."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from headway.booking.v1 import timetable_service_pb2, timetable_service_pb2_grpc
from headway.types.v1 import timetable_pb2

from chassis.access import PUBLIC, SERVICES
from chassis.clock import Clock
from chassis.errors import NotFound
from chassis.keys import Verifier
from chassis.rpc_server import Edge, RpcServer, current_caller, method_names
from tests.pricing_svc import network

DESCRIPTOR = timetable_service_pb2.DESCRIPTOR.services_by_name["TimetableService"]
RULES = dict.fromkeys(method_names(DESCRIPTOR), PUBLIC) | {f"/{DESCRIPTOR.full_name}/ListDepartures": SERVICES}


class BookingsTimetable(timetable_service_pb2_grpc.TimetableServiceServicer):
    """Departures by id; it counts what it is asked, and can be silent about departures and patterns or break off."""

    def __init__(self) -> None:
        self.departures: dict[str, timetable_pb2.Departure] = {}
        self.asked: list[str] = []
        self.patterns_asked: list[str] = []
        self.pages: list[timetable_service_pb2.ListDeparturesRequest] = []
        self.callers: set[str] = set()
        self.silent: set[str] = set()
        self.answering = asyncio.Event()
        self.answering.set()
        self.breaks_after_pages = -1
        self.address = ""

    def add(self, *departures: timetable_pb2.Departure) -> None:
        self.departures |= {departure.id: departure for departure in departures}

    async def GetDeparture(self, request: Any, context: Any) -> timetable_pb2.Departure:
        self.asked.append(request.departure_id)
        if request.departure_id in self.silent:
            await asyncio.sleep(60)
        if request.departure_id not in self.departures:
            raise NotFound
        found = self.departures[request.departure_id]
        await self.answering.wait()
        return found

    async def GetPatterns(self, request: Any, context: Any) -> AsyncIterator[timetable_pb2.Pattern]:
        self.patterns_asked.extend(request.pattern_ids)
        if not self.silent.isdisjoint(request.pattern_ids):
            await asyncio.sleep(60)
        for pattern_id in request.pattern_ids:
            if pattern_id in network.PATTERNS:
                yield network.PATTERNS[pattern_id]

    async def ListDepartures(
        self, request: Any, context: Any
    ) -> AsyncIterator[timetable_service_pb2.ListDeparturesResponse]:
        self.callers.add(current_caller().service)
        if len(self.pages) == self.breaks_after_pages:
            raise RuntimeError("a test breaks this list off")
        self.pages.append(request)
        later = [found for id_, found in sorted(self.departures.items()) if id_ > request.cursor]
        for found in later[: request.limit or None]:
            yield timetable_service_pb2.ListDeparturesResponse(departure=found, cursor=found.id)


@asynccontextmanager
async def serving(timetable: BookingsTimetable, keys_dir: Path, clock: Clock, *, port: int = 0) -> AsyncIterator[str]:
    """Serve a timetable and give its address."""
    (keys_dir / "trusted").mkdir(parents=True, exist_ok=True)
    server = RpcServer(Edge(RULES, Verifier(keys_dir / "trusted"), clock), host="127.0.0.1", port=port)
    server.add(timetable_service_pb2_grpc.add_TimetableServiceServicer_to_server, timetable, DESCRIPTOR)
    await server.start()
    try:
        yield f"127.0.0.1:{server.port}"
    finally:
        await server.stop(0)
