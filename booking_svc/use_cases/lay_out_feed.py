"""Bring departures in line with a feed, a step at a time: each departure and its event in one transaction."""

from collections.abc import Sequence
from dataclasses import replace

from booking_svc.domain.departure import Departure, DepartureState
from booking_svc.domain.events import DepartureCancelled, DepartureChanged, DeparturePublished
from booking_svc.store.work import Work

ADDED_A_STEP, CHANGED_A_STEP = 100, 50


def lay_out_departures(work: Work, *, departures: Sequence[Departure]) -> None:
    """Put departures down that are not there; they are seen once their feed is published."""
    work.departures.lay_out(departures)
    work.outbox.add(*map(DeparturePublished, departures))


def retime_departures(work: Work, *, departures: Sequence[Departure]) -> list[str]:
    """Let departures run as their feed has them now; return those that cannot: booked at other stops, or on their way.

    Bookings keep their seats and their calls and get the new times; a vehicle stays, and so do the seats it has.
    """
    wanted = {departure.id: departure for departure in departures}
    present = work.departures.lock(wanted)
    moved = [id_ for id_, one in present.items() if one.pattern.stop_ids != wanted[id_].pattern.stop_ids]
    gone = [id_ for id_, one in present.items() if one.starts_at <= work.now]
    withheld = work.bookings.booked([*moved, *gone], ever=True)
    changed = [retimed(present[id_], one) for id_, one in wanted.items() if id_ not in withheld]
    work.departures.save(*changed)
    for departure in changed:
        if departure.id in moved:
            work.occupancies.forget(departure)
    work.outbox.add(*map(DepartureChanged, changed))
    return sorted(withheld)


def retimed(present: Departure, wanted: Departure) -> Departure:
    """Return a departure with what its feed says now; one that had been withdrawn runs again."""
    return replace(
        present,
        route=wanted.route,
        headsign=wanted.headsign,
        starts_at=wanted.starts_at,
        pattern=wanted.pattern,
        state=DepartureState.SCHEDULED if present.is_withdrawn else present.state,
        version=present.version + 1,
        feed_id=wanted.feed_id,
        is_withdrawn=False,
    )


def withdraw_departures(work: Work, *, departure_ids: Sequence[str]) -> list[str]:
    """Take departures off the road that their feed has no more; return those with bookings, which run on."""
    present = work.departures.lock(departure_ids)
    booked = work.bookings.booked(departure_ids)
    gone = [replace(one.cancel(), is_withdrawn=True) for id_, one in present.items() if id_ not in booked]
    work.departures.save(*gone)
    work.outbox.add(*map(DepartureCancelled, gone))
    return sorted(booked)
