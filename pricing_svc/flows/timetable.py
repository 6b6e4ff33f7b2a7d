"""Booking's timetable, which the read models of departures and patterns follow."""

from collections.abc import Sequence

import grpc
from headway.booking.v1.timetable_service_pb2 import (
    GetDepartureRequest,
    GetPatternsRequest,
    ListDeparturesRequest,
)
from headway.booking.v1.timetable_service_pb2_grpc import TimetableServiceStub
from headway.types.v1 import timetable_pb2

from chassis.errors import Unavailable
from chassis.logs import EventLog
from chassis.rpc_client import ServiceIdentity, open_channel, reading_failures
from chassis.rpc_errors import RemoteFailure
from pricing_svc import translate
from pricing_svc.domain.departure import Departure, Pattern

log = EventLog(__name__)

PAGE_SECONDS = 10.0
PATTERNS_MAX = 200


class Timetable:
    """Reads departures and patterns from booking, in this service's own name."""

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
        return translate.departure_in(found)

    async def page(self, *, after: str, limit: int) -> tuple[Sequence[Departure], str]:
        """Return some departures and the cursor to go on from; it stays where it is at the end."""
        request = ListDeparturesRequest(limit=limit, cursor=after, is_without_calls=True)
        departures: list[Departure] = []
        try:
            with reading_failures():
                metadata = self._identity.metadata()
                async for reply in self._stub.ListDepartures(request, timeout=PAGE_SECONDS, metadata=metadata):
                    departures.append(translate.departure_in(reply.departure))
                    after = reply.cursor
        except RemoteFailure as failure:
            raise Unavailable(dependency="booking", cause=failure.reason) from failure
        return departures, after

    async def patterns(self, pattern_ids: Sequence[str]) -> list[Pattern]:
        """Return those of some patterns that can be priced; raise Unavailable where booking does not answer."""
        found: list[Pattern] = []
        try:
            with reading_failures():
                for start in range(0, len(pattern_ids), PATTERNS_MAX):
                    request = GetPatternsRequest(pattern_ids=pattern_ids[start : start + PATTERNS_MAX])
                    metadata = self._identity.metadata()
                    async for message in self._stub.GetPatterns(request, timeout=PAGE_SECONDS, metadata=metadata):
                        found.extend(usable(message))
        except RemoteFailure as failure:
            raise Unavailable(dependency="booking", cause=failure.reason) from failure
        return found

    async def close(self) -> None:
        await self._channel.close()


def usable(message: timetable_pb2.Pattern) -> list[Pattern]:
    """Read a pattern; one that cannot be priced is as if there were none, and must not stop the others."""
    try:
        return [translate.pattern_in(message)]
    except translate.MalformedPattern:
        log.warning("pattern_unusable", pattern_id=message.id)
        return []
