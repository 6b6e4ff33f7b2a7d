"""What runs in the form of GTFS-Realtime. https://gtfs.org/documentation/realtime/reference/."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from headway.gtfs_realtime.v1 import gtfs_realtime_pb2 as gtfs

from tracking_svc.domain.departures import Departure, Pattern
from tracking_svc.domain.live import LiveDeparture, OccupancyStatus, next_call
from tracking_svc.domain.vehicles import TrackedVehicle, Vehicle

OCCUPANCIES: dict[OccupancyStatus, Any] = {
    status: gtfs.VehiclePosition.OccupancyStatus.Value(status.name) for status in OccupancyStatus
}


def vehicle_positions_out(found: Iterable[LiveDeparture], *, now: datetime) -> gtfs.FeedMessage:
    """Write where vehicles are."""
    feed = feed_of(now)
    for live in found:
        if live.vehicle is not None:
            feed.entity.add(id=live.departure.id, vehicle=vehicle_position_out(live, live.vehicle))
    return feed


def trip_updates_out(
    running: Iterable[LiveDeparture], cancelled: Iterable[Departure], *, now: datetime
) -> gtfs.FeedMessage:
    """Write how trips run, and which do not; what is in no feed cannot be told of."""
    feed = feed_of(now)
    for live in running:
        if live.departure.feed_trip_id:
            feed.entity.add(id=live.departure.id, trip_update=trip_update_out(live))
    for departure in cancelled:
        if departure.feed_trip_id:
            feed.entity.add(id=departure.id).trip_update.trip.CopyFrom(trip_out(departure, is_cancelled=True))
    return feed


def alerts_out(found: Iterable[tuple[Departure, Pattern]], *, now: datetime) -> gtfs.FeedMessage:
    """Write what riders should know of trips that will not run; each is shown for as long as it is told."""
    feed = feed_of(now)
    for departure, pattern in found:
        if departure.feed_trip_id:
            alert = feed.entity.add(id=departure.id).alert
            alert.cause, alert.effect = gtfs.Alert.UNKNOWN_CAUSE, gtfs.Alert.NO_SERVICE
            alert.informed_entity.add().trip.CopyFrom(trip_out(departure, is_cancelled=True))
            alert.header_text.translation.add(text=notice_of(departure, pattern), language="en")
            if departure.cancellation_reason:  # in the operator's own words, of no language that we know
                alert.description_text.translation.add(text=departure.cancellation_reason)
    return feed


def feed_of(now: datetime) -> gtfs.FeedMessage:
    """Begin a feed that tells everything anew."""
    header = gtfs.FeedHeader(
        gtfs_realtime_version="2.0", incrementality=gtfs.FeedHeader.FULL_DATASET, timestamp=seconds(now)
    )
    return gtfs.FeedMessage(header=header)


def trip_out(departure: Departure, *, is_cancelled: bool = False) -> gtfs.TripDescriptor:
    """Name a run as the operator's own feed does."""
    relationship = gtfs.TripDescriptor.CANCELED if is_cancelled else gtfs.TripDescriptor.SCHEDULED
    return gtfs.TripDescriptor(
        trip_id=departure.feed_trip_id,
        route_id=departure.feed_route_id or None,
        start_date=departure.service_date.replace("-", ""),
        start_time=departure.feed_start_time or None,
        schedule_relationship=relationship,
    )


def vehicle_position_out(live: LiveDeparture, tracked: TrackedVehicle) -> gtfs.VehiclePosition:
    """Write where a vehicle is, where it goes to and how full it is."""
    told = gtfs.VehiclePosition(vehicle=vehicle_out(tracked.vehicle))
    if live.departure.feed_trip_id:
        told.trip.CopyFrom(trip_out(live.departure))
    if tracked.sighting is not None:
        at = tracked.sighting.position
        told.timestamp = seconds(at.recorded_at)
        told.position.latitude, told.position.longitude = at.latitude, at.longitude
        if at.heading_degrees is not None:
            told.position.bearing = at.heading_degrees
        if at.speed_meters_per_second is not None:
            told.position.speed = at.speed_meters_per_second
    place = next_call(live.calls)
    told.stop_id = live.calls[place].call.feed_stop_id
    is_there = live.calls[place].arrived_at is not None
    told.current_status = gtfs.VehiclePosition.STOPPED_AT if is_there else gtfs.VehiclePosition.IN_TRANSIT_TO
    if live.occupancy is not None:
        told.occupancy_status = OCCUPANCIES[live.occupancy.status]
        told.occupancy_percentage = round(100 * live.occupancy.load_factor)
    return told


def trip_update_out(live: LiveDeparture) -> gtfs.TripUpdate:
    """Write what was at the stops of a trip and what is expected."""
    told = gtfs.TripUpdate(trip=trip_out(live.departure), timestamp=seconds(live.observed_at), delay=live.delay_seconds)
    if live.vehicle is not None:
        told.vehicle.CopyFrom(vehicle_out(live.vehicle.vehicle))
    for call in live.calls:
        arrives_at, leaves_at = call.arrived_at or call.expected_at, call.leaves_at(live.observed_at)
        if arrives_at is None or leaves_at is None:
            continue
        told.stop_time_update.add(
            stop_id=call.call.feed_stop_id,
            arrival=event_out(arrives_at, call.scheduled_arrival_at),
            departure=event_out(leaves_at, call.scheduled_departure_at),
        )
    return told


def event_out(at: datetime, scheduled_at: datetime) -> gtfs.TripUpdate.StopTimeEvent:
    """Write when something was or will be."""
    return gtfs.TripUpdate.StopTimeEvent(time=seconds(at), delay=seconds(at) - seconds(scheduled_at))


def vehicle_out(vehicle: Vehicle) -> gtfs.VehicleDescriptor:
    """Name a vehicle."""
    return gtfs.VehicleDescriptor(id=vehicle.id, label=vehicle.label)


def notice_of(departure: Departure, pattern: Pattern) -> str:
    """Tell riders what does not run, by the clock at the first stop."""
    first, last = pattern.calls[0], pattern.calls[-1]
    start = departure.starts_at.astimezone(ZoneInfo(first.timezone))
    return f"The {start:%H:%M} from {first.stop_name} to {last.stop_name} on {start:%Y-%m-%d} does not run."


def seconds(at: datetime) -> int:
    """Count whole seconds since 1970."""
    return int(at.timestamp())
