"""A server whose methods do what a test says, on a real socket, with real tokens and the services' own contracts."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
from grpc import aio
from headway.booking.v1 import timetable_service_pb2, timetable_service_pb2_grpc
from headway.booking.v1.timetable_service_pb2 import (
    GetDepartureRequest,
    ListDeparturesRequest,
    ListDeparturesResponse,
)
from headway.tracking.v1 import tracking_service_pb2, tracking_service_pb2_grpc
from headway.tracking.v1.positions_pb2 import TrackedVehicle
from headway.tracking.v1.tracking_service_pb2 import GetVehicleRequest, PositionAck, PositionBatch
from headway.types.v1.timetable_pb2 import Departure
from prometheus_client import CollectorRegistry

from chassis.access import PUBLIC, SERVICES, Rules, needs
from chassis.clock import SystemClock
from chassis.keys import Signer, Verifier, open_signer
from chassis.rpc_client import open_channel
from chassis.rpc_errors import RemoteFailure, failure_of
from chassis.rpc_server import Edge, RpcServer

TRACKING, TIMETABLE = "/headway.tracking.v1.TrackingService/", "/headway.booking.v1.TimetableService/"
RULES: Rules = {
    **{
        TRACKING + method.name: PUBLIC
        for method in tracking_service_pb2.DESCRIPTOR.services_by_name["TrackingService"].methods
    },
    TRACKING + "ReportPositions": needs("positions:write", "fleet"),
    **{
        TIMETABLE + method.name: SERVICES
        for method in timetable_service_pb2.DESCRIPTOR.services_by_name["TimetableService"].methods
    },
    TIMETABLE + "ListDepartures": PUBLIC,
}


async def echo(request: Any, _context: Any) -> TrackedVehicle:
    return TrackedVehicle(id=request.vehicle_id)


async def count_up(request: ListDeparturesRequest, _context: Any) -> AsyncIterator[ListDeparturesResponse]:
    for number in range(request.limit):
        yield ListDeparturesResponse(cursor=f"{number}")


async def acknowledge(requests: AsyncIterator[PositionBatch], _context: Any) -> AsyncIterator[PositionAck]:
    async for request in requests:
        yield PositionAck(accepted=len(request.positions))


@dataclass
class Tracking(tracking_service_pb2_grpc.TrackingServiceServicer):
    """Both services' servicer: what it does is replaced by tests."""

    get_vehicle: Callable[[Any, Any], Awaitable[TrackedVehicle]] = echo
    stream: Callable[[Any, Any], AsyncIterator[PositionAck]] = acknowledge
    list_departures: Callable[[Any, Any], AsyncIterator[ListDeparturesResponse]] = count_up

    async def GetVehicle(self, request: GetVehicleRequest, context: Any) -> TrackedVehicle:
        return await self.get_vehicle(request, context)

    async def ReportPositions(self, request: PositionBatch, context: Any) -> PositionAck:
        return PositionAck(accepted=len(request.positions))

    async def StreamPositions(self, requests: AsyncIterator[PositionBatch], context: Any) -> AsyncIterator[PositionAck]:
        async for reply in self.stream(requests, context):
            yield reply


class Timetable(timetable_service_pb2_grpc.TimetableServiceServicer):
    def __init__(self, does: Tracking) -> None:
        self.does = does

    async def GetDeparture(self, request: GetDepartureRequest, context: Any) -> Departure:
        return Departure(id=request.departure_id)

    async def ListDepartures(
        self, request: ListDeparturesRequest, context: Any
    ) -> AsyncIterator[ListDeparturesResponse]:
        async for reply in self.does.list_departures(request, context):
            yield reply


@dataclass
class Served:
    """A running server and whoever may call it."""

    server: RpcServer
    edge: Edge
    does: Tracking
    gateway: Signer
    registry: CollectorRegistry
    channel: aio.Channel
    vehicles: Any = field(init=False)
    timetable: Any = field(init=False)

    def __post_init__(self) -> None:
        self.vehicles = tracking_service_pb2_grpc.TrackingServiceStub(self.channel)
        self.timetable = timetable_service_pb2_grpc.TimetableServiceStub(self.channel)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server.port}"

    def token(self, *, typ: str = "at+jwt", **claims: Any) -> str:
        return self.gateway.sign(claims, typ=typ, now=datetime.now(UTC), ttl=timedelta(minutes=1))

    def authorization(self, **claims: Any) -> tuple[tuple[str, str], ...]:
        return (("authorization", f"Bearer {self.token(**{'sub': 'usr_1'} | claims)}"),)

    async def get_vehicle(self, vehicle_id: str = "veh_1", **options: Any) -> TrackedVehicle:
        return await self.vehicles.GetVehicle(GetVehicleRequest(vehicle_id=vehicle_id), **{"timeout": 10} | options)

    def counted(self, method: str, code: str) -> float:
        return self.registry.get_sample_value("headway_rpc_seconds_count", {"method": method, "code": code}) or 0.0


def build(keys_dir: Path, *, port: int = 0, does: Tracking | None = None, rules: Rules = RULES) -> tuple[Any, ...]:
    registry, gateway = CollectorRegistry(), open_signer("gateway", keys_dir)
    edge = Edge(rules, Verifier(keys_dir / "trusted"), SystemClock(), registry=registry)
    server, does = RpcServer(edge, host="127.0.0.1", port=port), does or Tracking()
    service = tracking_service_pb2.DESCRIPTOR.services_by_name["TrackingService"]
    server.add(tracking_service_pb2_grpc.add_TrackingServiceServicer_to_server, does, service)
    service = timetable_service_pb2.DESCRIPTOR.services_by_name["TimetableService"]
    server.add(timetable_service_pb2_grpc.add_TimetableServiceServicer_to_server, Timetable(does), service)
    return server, edge, does, gateway, registry


@asynccontextmanager
async def serving(keys_dir: Path, **options: Any) -> AsyncIterator[Served]:
    """Serve on a free port, or the given one."""
    built = build(keys_dir, **options)
    await built[0].start()
    async with open_channel(f"127.0.0.1:{built[0].port}") as channel:
        yield Served(*built, channel)
        await built[0].stop(1)


class Wire:
    """A way to a server that can be cut, as a cable is: nobody says goodbye."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._server: asyncio.Server | None = None
        self._writers: list[asyncio.StreamWriter] = []
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> str:
        """Lay the wire and return the address of its near end."""
        self._server = await asyncio.start_server(self.join, "127.0.0.1", 0)
        return f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Join a connection to one of the server's."""
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._port)
        self._writers += writer, far_writer
        self._tasks += (asyncio.ensure_future(pass_on(*ends)) for ends in ((reader, far_writer), (far_reader, writer)))

    async def cut(self) -> None:
        if self._server is not None:
            self._server.close()
        for writer in self._writers:
            writer.transport.abort()
        await asyncio.gather(*self._tasks)


async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(65536):
            writer.write(data)


async def refusal(call: Awaitable[Any]) -> RemoteFailure:
    """Return the failure that a call ends in."""
    try:
        answer = await asyncio.wait_for(call, 20)
    except grpc.aio.AioRpcError as error:
        return failure_of(error)
    raise AssertionError(f"It was answered: {answer!r}")
