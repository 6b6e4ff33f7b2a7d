"""What can be seen of a booking service is what its model says, as assertions that tests make after their steps."""

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from headway.booking.v1 import availability_events_pb2, booking_events_pb2

from booking_svc.domain.occupancy import ride_mask
from booking_svc.store.work import Work
from chassis.store import Store
from tests.booking_svc import builders, model
from tests.booking_svc.builders import ask

Published = Mapping[str, Any]
"""Departure id -> the departure as it was published."""


def assert_like_the_model(store: Store[Work], network: model.Network, published: Published) -> None:
    """Compare everything."""
    for compare in COMPARISONS:
        compare(store, network, published)


def seats_are_the_model_s(store: Store[Work], network: model.Network, published: Published) -> None:
    for departure_id, departure in network.departures.items():
        taken = network.taken(departure_id)
        masks = ask(store, lambda work, one=departure_id: work.occupancies.masks(one))
        segments = range(departure.segments)
        stored = {
            (seat, segment)
            for place, seat in enumerate(departure.seats)
            for segment in segments
            if masks.get(place, 0) & ride_mask(segment, segment + 1)
        }
        assert stored == taken
        assert all(mask < 1 << departure.segments for mask in masks.values())
        counts = ask(store, lambda work, one=departure_id: work.occupancies.get(published[one]))
        assert list(counts.taken) == [sum(at == segment for _, at in taken) for segment in segments]
        assert counts.version == departure.changes


def availability_is_the_model_s(store: Store[Work], network: model.Network, published: Published) -> None:
    for departure_id, departure in network.departures.items():
        for origin in range(departure.segments):
            free = network.free_seats((departure_id, origin, departure.segments))
            found = builders.seats_free(store, published[departure_id], origin, departure.segments)
            assert found == (len(free) if departure.is_running else 0)


def bookings_are_the_model_s(store: Store[Work], network: model.Network, published: Published) -> None:
    for booking in network.bookings.values():
        seen = builders.see(store, booking.id)
        is_over = booking.is_over(network.now)
        assert (seen.state, seen.payment_state) == (network.seen_state(booking), booking.payment)
        states = ["expired" if is_over else item.state for item in booking.items]
        assert [item.state for item in seen.items] == states
        assert [item.seat_id for item in seen.items] == [item.seat for item in booking.items]
        assert (seen.total_minor, seen.version) == (booking.total, booking.version + is_over)
        assert seen.hold_expires_at == (None if is_over else booking.hold_until)
        assert all(bool(item.ticket_id) == (booking.state in ("confirmed", "cancelled")) for item in seen.items)


def money_is_the_model_s(store: Store[Work], network: model.Network, published: Published) -> None:
    found = ask(store, builders.account_balances)
    assert sum(found.values()) == 0
    balances = {account: amount for account, amount in network.balances.items() if amount}
    assert {account: amount for (account, _), amount in found.items() if amount} == balances
    # Nobody ever gets back more than was taken from them.
    assert all(0 <= booking.owed <= booking.total for booking in network.bookings.values())


def every_change_is_told_in_order(store: Store[Work], network: model.Network, published: Published) -> None:
    versions, facts = defaultdict(list), defaultdict(list)
    newest = {}
    for event in builders.events(store):
        if event.stream == "AVAILABILITY":
            told = availability_events_pb2.AvailabilityChanged.FromString(event.payload)
            versions[told.departure_id].append(told.version)
            newest[told.departure_id] = list(told.seats_free)
        elif event.stream == "BOOKING":
            summary = booking_events_pb2.BookingHeld.FromString(event.payload).booking
            facts[summary.booking_id, summary.departure_id].append(event.subject.split(".")[3])
    for departure_id, departure in network.departures.items():
        assert versions[departure_id] == list(range(1, departure.changes + 1))
        taken = network.taken(departure_id)
        free = [len(departure.seats) - sum(at == segment for _, at in taken) for segment in range(departure.segments)]
        assert newest.get(departure_id, free) == free
    assert facts == {
        (booking.id, departure_id): booking.facts
        for booking in network.bookings.values()
        for departure_id in booking.departure_ids
    }


COMPARISONS = (
    seats_are_the_model_s,
    availability_is_the_model_s,
    bookings_are_the_model_s,
    money_is_the_model_s,
    every_change_is_told_in_order,
)
