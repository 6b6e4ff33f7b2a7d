"""Between the contract's messages and what staff look at."""

from headway.booking.v1 import bookings_pb2, operations_service_pb2

from booking_svc import translate
from booking_svc.domain.departure import Departure
from booking_svc.domain.load import Load
from booking_svc.domain.manifest import Passenger
from booking_svc.queries.get_manifest import Manifest


def load_out(load: Load) -> operations_service_pb2.Load:
    return operations_service_pb2.Load(
        departure_id=load.departure_id,
        seats_sold=load.seats_sold,
        seats_taken=load.seats_taken,
        capacity=load.capacity,
    )


def manifest_out(found: Manifest, *, limit: int) -> operations_service_pb2.Manifest:
    """Write a page; a full one says where the next begins."""
    cursor = found.passengers[-1].item_id if len(found.passengers) == limit else ""
    entries = [entry_out(found.departure, passenger) for passenger in found.passengers]
    return operations_service_pb2.Manifest(entries=entries, next_cursor=cursor)


def entry_out(departure: Departure, passenger: Passenger) -> operations_service_pb2.ManifestEntry:
    ride = departure.leg(passenger.origin, passenger.destination)
    return operations_service_pb2.ManifestEntry(
        id=passenger.item_id,
        booking_id=passenger.booking_id,
        reference=passenger.reference,
        passenger=bookings_pb2.Passenger(name=passenger.name, category=passenger.category),
        seat_id=passenger.seat_id,
        state=bookings_pb2.ItemState.Value(f"ITEM_STATE_{passenger.state.name}"),
        boarding=bookings_pb2.Boarding.Value(f"BOARDING_{passenger.boarding.name}"),
        origin=translate.leg_end_out(ride.origin),
        destination=translate.leg_end_out(ride.destination),
    )
