"""What is told in GTFS-Realtime, as anybody's program reads it: by the official bindings and not by our messages."""

from typing import Any

from google.transit import gtfs_realtime_pb2
from headway.tracking.v1 import tracking_service_pb2

from tests.tracking_svc.fleet import Tracking, wire
from tests.tracking_svc.timetable import pattern
from tracking_svc.use_cases.keep_departures import keep_departures
from tracking_svc.use_cases.keep_patterns import keep_patterns

KINDS = {"VehiclePositions": "vehicle", "TripUpdates": "trip_update", "Alerts": "alert"}


async def keep(tracking: Tracking, *departures: Any) -> None:
    await tracking.store.write(keep_patterns, patterns=[pattern()])
    await tracking.store.write(keep_departures, departures=departures)


async def send(tracking: Tracking, *points: Any) -> None:
    await tracking.stub.ReportPositions(wire(points, session=""), metadata=tracking.metadata(), timeout=20)


async def told(tracking: Tracking, kind: str, operator_id: str = "") -> dict[str, Any]:
    """Read a feed with the official bindings, to which nothing in it may be unknown; return it by departure."""
    request = getattr(tracking_service_pb2, f"Get{kind}Request")(operator_id=operator_id)
    sent = (await getattr(tracking.stub, f"Get{kind}")(request, timeout=20)).SerializeToString()
    found = gtfs_realtime_pb2.FeedMessage.FromString(sent)
    assert found.IsInitialized()
    known = gtfs_realtime_pb2.FeedMessage()
    known.CopyFrom(found)
    known.DiscardUnknownFields()
    assert known == found
    assert len(known.SerializeToString()) == len(sent)
    header = found.header
    assert (header.gtfs_realtime_version, header.incrementality) == ("2.0", header.FULL_DATASET)
    assert header.timestamp == int(tracking.clock.now().timestamp())
    assert all(entity.HasField(KINDS[kind]) for entity in found.entity)
    assert len({entity.id for entity in found.entity}) == len(found.entity)
    return {entity.id: getattr(entity, KINDS[kind]) for entity in found.entity}
