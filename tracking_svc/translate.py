"""The wire form of everything that comes in and goes out, and the streams that this service owns."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp
from headway.booking.v1 import availability_events_pb2, departure_events_pb2, fleet_events_pb2
from headway.tracking.v1 import live_pb2, position_events_pb2, positions_pb2, tracking_service_pb2, vehicle_events_pb2
from headway.types.v1 import timetable_pb2

from chassis.bus import ROOT, Stream, subject_token
from chassis.errors import InvalidInput
from chassis.outbox import Envelope
from tracking_svc.domain.departures import Availability, Departure, DepartureState, Pattern, PatternCall
from tracking_svc.domain.events import CallFact, RideFact, VehicleAtCall, VehicleOnRide
from tracking_svc.domain.live import LiveCall, LiveDeparture, Occupancy, OccupancyStatus
from tracking_svc.domain.points import NOT_TOLD, SECOND, Points, Position, instant
from tracking_svc.domain.progress import Run
from tracking_svc.domain.reports import Batch, Report
from tracking_svc.domain.vehicles import Area, Freshness, Sighting, TrackedVehicle, Vehicle

POSITION = Stream("POSITION", (f"{ROOT}.position.>",), is_durable=False, messages_per_subject=10, days=1)
"""The newest positions, fed without waiting; the history is this service's database."""
VEHICLE = Stream("VEHICLE", (f"{ROOT}.vehicle.>",))
STREAMS = (POSITION, VEHICLE)

FLEET = "FLEET"
"""Booking's stream of vehicles."""
VEHICLE_REGISTERED = fleet_events_pb2.VehicleRegistered.DESCRIPTOR.full_name

FRESHNESS = {
    Freshness.LIVE: positions_pb2.FRESHNESS_LIVE,
    Freshness.STALE: positions_pb2.FRESHNESS_STALE,
    Freshness.UNKNOWN: positions_pb2.FRESHNESS_UNKNOWN,
}
METERS_MAX = 100_000_000
STATE_NUMBERS: dict[DepartureState, Any] = {
    state: timetable_pb2.DepartureState.Value(f"DEPARTURE_STATE_{state.upper()}") for state in DepartureState
}
STATES: dict[int, DepartureState] = {number: state for state, number in STATE_NUMBERS.items()}
OCCUPANCIES: dict[OccupancyStatus, Any] = {
    status: live_pb2.OccupancyStatus.Value(f"OCCUPANCY_STATUS_{status.upper()}") for status in OccupancyStatus
}
CALL_FACTS: dict[CallFact, Any] = {
    CallFact.ARRIVED: vehicle_events_pb2.VehicleArrived,
    CallFact.DEPARTED: vehicle_events_pb2.VehicleDeparted,
    CallFact.ARRIVAL_RETRACTED: vehicle_events_pb2.VehicleArrivalRetracted,
    CallFact.DEPARTURE_RETRACTED: vehicle_events_pb2.VehicleDepartureRetracted,
}
RIDE_FACTS: dict[RideFact, Any] = {
    RideFact.SILENT: vehicle_events_pb2.VehicleSilent,
    RideFact.BACK: vehicle_events_pb2.VehicleBack,
    RideFact.OFF_ROUTE: vehicle_events_pb2.VehicleOffRoute,
    RideFact.ON_ROUTE: vehicle_events_pb2.VehicleOnRoute,
}
DEPARTURE_EVENTS: dict[str, Any] = {
    message.DESCRIPTOR.full_name: message
    for message in (
        departure_events_pb2.DeparturePublished,
        departure_events_pb2.DepartureChanged,
        departure_events_pb2.DepartureCancelled,
        departure_events_pb2.VehicleAssigned,
    )
}
"""The facts of stream DEPARTURE that carry a departure, by the type that their header names."""


class MalformedPattern(InvalidInput):
    detail = "This pattern has too few calls or impossible places."


def batch_in(request: tracking_service_pb2.PositionBatch) -> Batch:
    """Read a batch as it was sent; whether it can be true is not asked here."""
    return Batch(request.vehicle_id, request.session_id, points_in(request.positions))


def area_in(request: tracking_service_pb2.WatchVehiclesRequest) -> Area:
    """Read what of the fleet is to be watched."""
    box = request.box
    return Area(request.operator_id, (box.south, box.west, box.north, box.east) if request.HasField("box") else None)


def points_in(positions: Iterable[positions_pb2.Position]) -> Points:
    """Put points into columns. A time that was not told is 1970, and so too old."""
    rows = [
        (
            point.sequence,
            point.recorded_at.seconds * SECOND + point.recorded_at.nanos // 1000,
            point.latitude,
            point.longitude,
            point.speed_meters_per_second if point.HasField("speed_meters_per_second") else NOT_TOLD,
            point.heading_degrees if point.HasField("heading_degrees") else NOT_TOLD,
            point.accuracy_meters if point.HasField("accuracy_meters") else NOT_TOLD,
        )
        for point in positions
    ]
    return Points(*zip(*rows, strict=True)) if rows else Points((), (), (), (), (), (), ())


def report_out(report: Report) -> tracking_service_pb2.PositionAck:
    """Write what became of a batch."""
    return tracking_service_pb2.PositionAck(
        accepted=report.accepted,
        rejected=[
            tracking_service_pb2.RejectedPosition(index=rejection.index, reason=rejection.reason)
            for rejection in report.rejected
        ],
        acknowledged_sequence=report.acknowledged_sequence,
        late=report.late,
    )


def position_reported_out(vehicle: Vehicle, sighting: Sighting) -> tuple[str, bytes]:
    """Write where a vehicle has moved to; return the subject and the payload."""
    event = position_events_pb2.PositionReported(
        vehicle_id=vehicle.id,
        operator_id=vehicle.operator_id,
        position=position_out(sighting.position),
        received_at=timestamp_out(sighting.received_at),
    )
    subject = f"{ROOT}.position.{subject_token(vehicle.operator_id)}.{subject_token(vehicle.id)}"
    return subject, event.SerializeToString()


def vehicle_registered_in(payload: bytes) -> Vehicle:
    """Read a vehicle out of booking's event."""
    told = fleet_events_pb2.VehicleRegistered.FromString(payload).vehicle
    return Vehicle(told.id, told.operator_id, told.label, told.version)


def departure_event_in(event_type: str, payload: bytes) -> Departure | None:
    """Read the departure that a fact of stream DEPARTURE is about; None for a fact that carries none."""
    message = DEPARTURE_EVENTS.get(event_type)
    return None if message is None else departure_in(message.FromString(payload).departure)


def departure_in(departure: timetable_pb2.Departure) -> Departure:
    """Read a departure without its calls: the pattern has them."""
    return Departure(
        id=departure.id,
        operator_id=departure.operator_id,
        pattern_id=departure.pattern_id,
        starts_at=departure.starts_at.ToDatetime(UTC),
        state=STATES.get(departure.state, DepartureState.SCHEDULED),
        vehicle_id=departure.vehicle.id,
        vehicle_label=departure.vehicle.label,
        feed_trip_id=departure.feed_trip_id,
        feed_route_id=departure.route.feed_route_id,
        service_date=departure.service_date,
        feed_start_time=departure.feed_start_time,
        cancellation_reason=departure.cancellation_reason,
        capacity=departure.capacity,
        version=departure.version,
    )


def pattern_in(pattern: timetable_pb2.Pattern) -> Pattern:
    """Read a pattern; raise MalformedPattern where it cannot be followed."""
    shape = tuple((point.latitude, point.longitude, point.distance_meters) for point in pattern.shape)
    calls: list[PatternCall] = []
    for call in pattern.calls:
        before = calls[-1].departure_seconds if calls else 0
        given = [name for name in ("arrival_seconds", "departure_seconds") if call.HasField(name)]
        arrives, departs = (getattr(call, given[0]), getattr(call, given[-1])) if given else (before, before)
        stop = call.stop
        place = (stop.latitude, stop.longitude)
        named = (stop.id, stop.feed_stop_id, stop.name, stop.timezone)
        calls.append(PatternCall(*named, *place, arrives, departs, call.distance_meters))
    places = [*shape, *((call.latitude, call.longitude, call.distance_meters) for call in calls)]
    if len(calls) < 2 or not all(abs(y) <= 90 and abs(x) <= 180 and abs(far) <= METERS_MAX for y, x, far in places):
        raise MalformedPattern
    return Pattern(pattern.id, tuple(calls), shape)


def availability_event_in(payload: bytes) -> Availability:
    """Read how full a departure is."""
    changed = availability_events_pb2.AvailabilityChanged.FromString(payload)
    return Availability(changed.departure_id, changed.capacity, tuple(changed.seats_free), changed.version)


def tracked_vehicle_out(tracked: TrackedVehicle) -> positions_pb2.TrackedVehicle:
    """Write a vehicle with where it was last."""
    sighting = tracked.sighting
    return positions_pb2.TrackedVehicle(
        id=tracked.vehicle.id,
        operator_id=tracked.vehicle.operator_id,
        label=tracked.vehicle.label,
        position=position_out(sighting.position) if sighting else None,
        received_at=timestamp_out(sighting.received_at) if sighting else None,
        freshness=FRESHNESS[tracked.freshness],
    )


def delays_out(delays: Mapping[str, int]) -> tracking_service_pb2.GetDelaysResponse:
    """Write how late departures are."""
    found = [tracking_service_pb2.Delay(departure_id=id_, delay_seconds=delay) for id_, delay in delays.items()]
    return tracking_service_pb2.GetDelaysResponse(delays=found)


def live_departure_out(live: LiveDeparture) -> live_pb2.LiveDeparture:
    """Write a departure as it runs."""
    departure = live.departure
    return live_pb2.LiveDeparture(
        departure_id=departure.id,
        operator_id=departure.operator_id,
        state=STATE_NUMBERS[live.state],
        vehicle=tracked_vehicle_out(live.vehicle) if live.vehicle else None,
        delay_seconds=live.delay_seconds,
        calls=[live_call_out(sequence, call) for sequence, call in enumerate(live.calls)],
        occupancy=occupancy_out(live.occupancy) if live.occupancy else None,
        observed_at=timestamp_out(live.observed_at),
        is_off_route=live.is_off_route,
        feed_trip_id=departure.feed_trip_id,
        feed_route_id=departure.feed_route_id,
        service_date=departure.service_date,
        availability=availability_out(live.availability) if live.availability else None,
    )


def departure_update_out(live: LiveDeparture) -> tuple[bytes, bytes]:
    """Write an update for all who watch a departure, and what tells whether it says anything new."""
    departure = live_departure_out(live)
    update = live_pb2.DepartureUpdate(departure=departure).SerializeToString()
    departure.ClearField("observed_at")
    return update, departure.SerializeToString(deterministic=True)


def vehicle_update_out(vehicle: Vehicle, sighting: Sighting, run: Run, *, now: datetime) -> live_pb2.VehicleUpdate:
    """Write where a vehicle is for all who watch."""
    tracked = TrackedVehicle(vehicle, sighting, sighting.freshness(now))
    return live_pb2.VehicleUpdate(
        vehicle=tracked_vehicle_out(tracked),
        departure_id=run.progress.departure_id,
        delay_seconds=run.delay_seconds,
    )


def live_call_out(sequence: int, live: LiveCall) -> live_pb2.LiveCall:
    """Write one call; the range of an arrival is left open."""
    call, expected = live.call, live.expected_at
    return live_pb2.LiveCall(
        sequence=sequence,
        stop_id=call.stop_id,
        feed_stop_id=call.feed_stop_id,
        stop_name=call.stop_name,
        timezone=call.timezone,
        latitude=call.latitude,
        longitude=call.longitude,
        scheduled_arrival_at=timestamp_out(live.scheduled_arrival_at),
        scheduled_departure_at=timestamp_out(live.scheduled_departure_at),
        arrival=live_pb2.ExpectedArrival(expected_at=timestamp_out(expected)) if expected else None,
        arrived_at=timestamp_out(live.arrived_at) if live.arrived_at else None,
        departed_at=timestamp_out(live.departed_at) if live.departed_at else None,
    )


def occupancy_out(occupancy: Occupancy) -> live_pb2.Occupancy:
    """Write how full a vehicle is."""
    return live_pb2.Occupancy(status=OCCUPANCIES[occupancy.status], load_factor=occupancy.load_factor)


def availability_out(found: Availability) -> live_pb2.SegmentAvailability:
    """Write how many seats are free."""
    return live_pb2.SegmentAvailability(capacity=found.capacity, seats_free=found.seats_free, version=found.version)


def event_out(event: object) -> Envelope:
    """Write a fact about a vehicle as the broker sees it."""
    if not isinstance(event, VehicleAtCall | VehicleOnRide):
        raise TypeError(f"no envelope for {event!r}")
    told: dict[str, Any] = {
        "vehicle_id": event.vehicle_id,
        "operator_id": event.operator_id,
        "departure_id": event.departure_id,
        "occurred_at": timestamp_out(instant(event.occurred_at)),
    }
    if isinstance(event, VehicleAtCall):
        at = vehicle_events_pb2.VehicleAtCall(call_sequence=event.sequence, stop_id=event.stop_id, **told)
        message = CALL_FACTS[event.fact](at=at)
    else:
        message = RIDE_FACTS[event.fact](on=vehicle_events_pb2.VehicleOnRide(**told))
    return Envelope(
        stream=VEHICLE.name,
        subject=f"{ROOT}.vehicle.{event.fact}.{subject_token(event.operator_id)}.{subject_token(event.vehicle_id)}",
        type=message.DESCRIPTOR.full_name,
        payload=message.SerializeToString(deterministic=True),
    )


def position_out(position: Position) -> positions_pb2.Position:
    """Write one point."""
    return positions_pb2.Position(
        sequence=position.sequence,
        recorded_at=timestamp_out(position.recorded_at),
        latitude=position.latitude,
        longitude=position.longitude,
        speed_meters_per_second=position.speed_meters_per_second,
        heading_degrees=position.heading_degrees,
        accuracy_meters=position.accuracy_meters,
    )


def timestamp_out(at: datetime) -> Timestamp:
    """Write a time."""
    stamp = Timestamp()
    stamp.FromDatetime(at)
    return stamp
