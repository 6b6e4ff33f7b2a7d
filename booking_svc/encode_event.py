"""Domain events as the broker sees them: the only place that knows subjects and event messages."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from google.protobuf.message import Message
from headway.booking.v1 import (
    availability_events_pb2,
    booking_events_pb2,
    bookings_pb2,
    departure_events_pb2,
    fleet_events_pb2,
)

from booking_svc import translate, translate_feed
from booking_svc.domain import events
from booking_svc.domain.booking import Booking
from booking_svc.domain.events import (
    AvailabilityChanged,
    BookingEvent,
    DepartureEvent,
    FeedPublished,
    VehicleRegistered,
)
from chassis.bus import ROOT, Stream, subject_token
from chassis.outbox import Envelope

STREAMS = (
    *(Stream(name.upper(), (f"{ROOT}.{name}.>",)) for name in ("booking", "availability", "departure")),
    Stream("FEED", (f"{ROOT}.feed.>",), messages_per_subject=1, days=0),
    # The whole fleet, for whoever begins to track it years later.
    Stream("FLEET", (f"{ROOT}.fleet.>",), messages_per_subject=1, days=0),
)

BOOKING_FACTS: dict[type[BookingEvent], tuple[str, Callable[..., Message]]] = {
    events.BookingHeld: ("held", booking_events_pb2.BookingHeld),
    events.BookingConfirmed: ("confirmed", booking_events_pb2.BookingConfirmed),
    events.BookingCancelled: ("cancelled", booking_events_pb2.BookingCancelled),
    events.BookingReleased: ("released", booking_events_pb2.BookingReleased),
    events.BookingExpired: ("expired", booking_events_pb2.BookingExpired),
}
DEPARTURE_FACTS: dict[type[DepartureEvent], tuple[str, Callable[..., Message]]] = {
    events.DeparturePublished: ("published", departure_events_pb2.DeparturePublished),
    events.DepartureChanged: ("changed", departure_events_pb2.DepartureChanged),
    events.DepartureCancelled: ("cancelled", departure_events_pb2.DepartureCancelled),
    events.VehicleAssigned: ("vehicle_assigned", departure_events_pb2.VehicleAssigned),
}


def encode_event(event: Any) -> Envelope:
    """Write an event as an envelope."""
    if isinstance(event, BookingEvent):
        fact, message = BOOKING_FACTS[type(event)]
        summary = booking_summary(event.booking, event.departure_id, event.occurred_at)
        return envelope("booking", fact, event.booking.operator_id, event.departure_id, message(booking=summary))
    if isinstance(event, AvailabilityChanged):
        return envelope(
            "availability", "changed", event.operator_id, event.occupancy.departure_id, availability_changed(event)
        )
    if isinstance(event, DepartureEvent):
        fact, message = DEPARTURE_FACTS[type(event)]
        departure = event.departure
        content = message(departure=translate.departure_out(departure, has_calls=False))
        return envelope("departure", fact, departure.operator_id, departure.id, content)
    if isinstance(event, FeedPublished):
        published = translate_feed.feed_published_out(event.feed)
        return envelope("feed", "published", event.feed.options.operator_id, event.feed.id, published)
    if isinstance(event, VehicleRegistered):
        registered = fleet_events_pb2.VehicleRegistered(vehicle=translate.vehicle_out(event.vehicle))
        return envelope("fleet", "registered", event.vehicle.operator_id, event.vehicle.id, registered)
    raise TypeError(type(event).__name__)


def envelope(area: str, fact: str, operator_id: str, entity_id: str, message: Message) -> Envelope:
    """Address a message by area, fact, operator and entity."""
    subject = f"{ROOT}.{area}.{fact}.{subject_token(operator_id)}.{subject_token(entity_id)}"
    return Envelope(area.upper(), subject, message.DESCRIPTOR.full_name, message.SerializeToString())


def availability_changed(event: AvailabilityChanged) -> availability_events_pb2.AvailabilityChanged:
    return availability_events_pb2.AvailabilityChanged(
        departure_id=event.occupancy.departure_id,
        operator_id=event.operator_id,
        capacity=event.occupancy.capacity,
        seats_free=event.occupancy.seats_free(),
        version=event.occupancy.version,
        observed_at=translate.instant_out(event.observed_at),
    )


def booking_summary(booking: Booking, departure_id: str, occurred_at: datetime) -> booking_events_pb2.BookingSummary:
    """Tell of a booking what others may know: no names, no contact."""
    items = [
        booking_events_pb2.ItemSummary(
            item_id=item.id,
            seat_id=item.seat_id,
            state=bookings_pb2.ItemState.Value(f"ITEM_STATE_{item.state.name}"),
            category=item.category,
            origin_sequence=item.origin_sequence,
            destination_sequence=item.destination_sequence,
        )
        for item in booking.items
        if item.departure_id == departure_id
    ]
    return booking_events_pb2.BookingSummary(
        booking_id=booking.id,
        operator_id=booking.operator_id,
        departure_id=departure_id,
        state=bookings_pb2.BookingState.Value(f"BOOKING_STATE_{booking.state.name}"),
        items=items,
        total=translate.money_out(booking.total_minor, booking.currency),
        version=booking.version,
        occurred_at=translate.instant_out(occurred_at),
    )
