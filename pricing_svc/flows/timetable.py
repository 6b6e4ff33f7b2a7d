"""Booking's timetable, which the read model of departures follows."""

from collections.abc import Sequence

import grpc
from headway.booking.v1.timetable_service_pb2 import GetDepartureRequest, ListDeparturesRequest
from headway.booking.v1.timetable_service_pb2_grpc import TimetableServiceStub
from headway.types.v1 import timetable_pb2

from chassis.errors import Unavailable
from chassis.logs import EventLog
from chassis.rpc_client import ServiceIdentity, open_channel, reading_failures
from chassis.rpc_errors import RemoteFailure
from pricing_svc import translate
from pricing_svc.domain.departure import Departure

log = EventLog(__name__)

PAGE_SECONDS = 10.0


class Timetable:
    """Reads departures from booking, in this service's own name."""

    def __init__(self, address: str, identity: ServiceIdentity) -> None:
        self._channel = open_channel(address)
        self._stub = TimetableServiceStub(self._channel)
        self._identity = identity

    async def get(self, departure_id: str, *, seconds: float) -> Departure | None:
        """Return one departure, or None where booking has none; raise Unavailable without an answer in time."""
        request = GetDepartureRequest(departure_id=departure_id)
        try:
            with reading_failures():
                metadata = self._identity.metadata()
                found = await self._stub.GetDeparture(request, timeout=seconds, metadata=metadata)
        except RemoteFailure as failure:
            if failure.code is grpc.StatusCode.NOT_FOUND:
                return None
            raise Unavailable(dependency="booking") from failure
        return usable(found)

    async def page(self, *, after: str, limit: int) -> tuple[Sequence[Departure], str]:
        """Return some departures and the cursor to go on from; it stays where it is at the end."""
        request = ListDeparturesRequest(limit=limit, cursor=after)
        departures: list[Departure | None] = []
        try:
            with reading_failures():
                metadata = self._identity.metadata()
                async for reply in self._stub.ListDepartures(request, timeout=PAGE_SECONDS, metadata=metadata):
                    departures.append(usable(reply.departure))
                    after = reply.cursor
        except RemoteFailure as failure:
            raise Unavailable(dependency="booking", cause=failure.reason) from failure
        return [departure for departure in departures if departure is not None], after

    async def close(self) -> None:
        await self._channel.close()


def usable(message: timetable_pb2.Departure) -> Departure | None:
    """Read a departure; one that cannot be priced is as if there were none, and must not stop the others."""
    try:
        return translate.departure_in(message)
    except translate.MalformedDeparture:
        log.warning("departure_unusable", departure_id=message.id)
        return None
