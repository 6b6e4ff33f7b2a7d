"""Facts that others may rely on."""

from dataclasses import dataclass
from datetime import datetime
from typing import Self

from booking_svc.domain.booking import Booking
from booking_svc.domain.departure import Departure
from booking_svc.domain.feed_import import Feed
from booking_svc.domain.layout import Vehicle
from booking_svc.domain.occupancy import Occupancy


@dataclass(frozen=True, slots=True)
class BookingEvent:
    """Something became of a booking, told for one of its departures."""

    booking: Booking
    departure_id: str
    occurred_at: datetime

    @classmethod
    def of(cls, booking: Booking, *, now: datetime) -> list[Self]:
        """Tell it once for each departure of the booking."""
        return [cls(booking, departure_id, now) for departure_id in booking.departure_ids]


class BookingHeld(BookingEvent):
    pass


class BookingConfirmed(BookingEvent):
    pass


class BookingCancelled(BookingEvent):
    pass


class BookingReleased(BookingEvent):
    pass


class BookingExpired(BookingEvent):
    pass


@dataclass(frozen=True, slots=True)
class AvailabilityChanged:
    """Seats were taken or came back."""

    occupancy: Occupancy
    operator_id: str
    observed_at: datetime


@dataclass(frozen=True, slots=True)
class FeedPublished:
    """An operator's feed is on sale."""

    feed: Feed


@dataclass(frozen=True, slots=True)
class DepartureEvent:
    """Something became of a departure."""

    departure: Departure


class DeparturePublished(DepartureEvent):
    pass


class DepartureChanged(DepartureEvent):
    pass


class DepartureCancelled(DepartureEvent):
    pass


class VehicleAssigned(DepartureEvent):
    pass


@dataclass(frozen=True, slots=True)
class VehicleRegistered:
    """A vehicle belongs to the fleet."""

    vehicle: Vehicle
