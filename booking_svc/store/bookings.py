"""Rows of bookings and their items."""

import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from booking_svc.domain.booking import (
    LIVE,
    Boarding,
    Booking,
    BookingState,
    Contact,
    Item,
    ItemState,
    PaymentState,
)
from booking_svc.store.departures import Departures
from booking_svc.store.tables import BookingRow, ItemRow
from chassis.access import ANY_OPERATOR, Caller
from chassis.database import Instant, table_of
from chassis.errors import NotFound
from chassis.faults import is_guard_off
from chassis.transaction import Transaction

BOOKINGS, ITEMS = table_of(BookingRow), table_of(ItemRow)
OWN_OF_BOOKING = [
    name for name in BookingRow.model_fields if name not in ("expires_at", "legs", "contact_email", "contact_phone")
]
OWN_OF_ITEM = [name for name in ItemRow.model_fields if name not in ("booking_id", "position", "expires_at")]
SAVE_BOOKING = (
    sa.update(BOOKINGS)
    .where(BOOKINGS.c.id == sa.bindparam("new_id"), BOOKINGS.c.version == sa.bindparam("seen_version"))
    .values({name: sa.bindparam(f"new_{name}") for name in BookingRow.model_fields})
)
SAVE_ITEM = (
    sa.update(ITEMS)
    .where(ITEMS.c.booking_id == sa.bindparam("new_booking_id"), ITEMS.c.position == sa.bindparam("new_position"))
    .values({name: sa.bindparam(f"new_{name}") for name in ItemRow.model_fields})
)
READ_BOOKINGS = sa.select(BOOKINGS).where(BOOKINGS.c.id.in_(sa.bindparam("ids", expanding=True)))
READ_ITEMS = (
    sa.select(ITEMS)
    .where(ITEMS.c.booking_id.in_(sa.bindparam("ids", expanding=True)))
    .order_by(ITEMS.c.booking_id, ITEMS.c.position)
)
HAS_SEATS = ITEMS.c.state.in_(LIVE)
ADD_BOOKING, ADD_ITEM = sa.insert(BOOKINGS), sa.insert(ITEMS)
TAKEN_REFERENCES = sa.select(BOOKINGS.c.reference).where(
    BOOKINGS.c.reference.in_(sa.bindparam("references", expanding=True))
)
LIVE_HOLDS = sa.select(BOOKINGS.c.rider_id, BOOKINGS.c.expires_at).where(
    BOOKINGS.c.rider_id.in_(sa.bindparam("riders", expanding=True)),
    BOOKINGS.c.state == BookingState.HELD,
    sa.or_(BOOKINGS.c.expires_at > sa.bindparam("now", type_=Instant), BOOKINGS.c.expires_at.is_(None)),
)


class Bookings:
    """The bookings of one open transaction; callers see them as they are now, the system as they are stored."""

    def __init__(self, connection: Connection, *, now: datetime) -> None:
        self._connection = connection
        self._transaction = Transaction.of(connection)
        self._now = now

    def add(self, booking: Booking) -> None:
        self._transaction.put_off(ADD_BOOKING, write_booking(booking))
        for place, item in enumerate(booking.items):
            self._transaction.put_off(ADD_ITEM, write_item(booking, place, item))
        if (live := self._transaction.memory.get(("live_holds", booking.rider_id))) is not None:
            live.append(booking.seats_expire_at)

    def save(self, *bookings: Booking) -> None:
        """Replace the version before this one, of each booking; what is another by then has lost the race."""
        for booking in bookings:
            row = new(write_booking(booking)) | {"seen_version": booking.version - 1}
            self._transaction.put_off(SAVE_BOOKING, row)
            for place, item in enumerate(booking.items):
                self._transaction.put_off(SAVE_ITEM, new(write_item(booking, place, item)))
            self._remember_change(booking)

    def get(self, booking_id: str, *, caller: Caller) -> Booking:
        """Read a booking that the caller may see; another's is as absent as none."""
        booking = self.get_for_system(booking_id)
        if not may_see(caller, booking):
            raise NotFound
        return booking.as_of(self._now)

    def get_for_system(self, booking_id: str) -> Booking:
        """Read a booking for work that no caller asked for."""
        memory = self._transaction.memory
        if ("booking", booking_id) not in memory:
            self.read_ahead([booking_id])
        if ("booking", booking_id) not in memory:
            raise NotFound
        found: Booking = memory["booking", booking_id]
        return found

    def read_ahead(self, booking_ids: Iterable[str]) -> None:
        """Read bookings in one go, for `get` to remember; whoever saves one names the version that was read."""
        found = self.get_many_for_system(list(booking_ids))
        self._transaction.memory |= {("booking", booking.id): booking for booking in found}

    def get_many_for_system(self, booking_ids: Collection[str]) -> list[Booking]:
        """Read bookings for work that no caller asked for."""
        return self._read(READ_BOOKINGS, {"ids": list(booking_ids)}) if booking_ids else []

    def look_up(self, *, reference: str, email: str) -> Booking:
        """Find a booking by what is printed on the ticket."""
        columns = BOOKINGS.c
        known = sa.and_(columns.reference == reference.upper(), columns.contact_email == email.strip().lower())
        found = self._read(sa.select(BOOKINGS).where(known))
        if not found:
            raise NotFound
        return found[0].as_of(self._now)

    def page(self, *, caller: Caller, departure_id: str, before: str, limit: int) -> list[Booking]:
        """Read the caller's bookings, or as staff those on a departure, newest first."""
        query = sa.select(BOOKINGS).where(visible_to(caller))
        if departure_id:
            on_board = sa.select(ITEMS.c.booking_id).where(ITEMS.c.departure_id == departure_id)
            query = query.where(BOOKINGS.c.id.in_(on_board))
        else:
            query = query.where(BOOKINGS.c.rider_id == caller.subject)
        if before:
            query = query.where(BOOKINGS.c.id < before)
        found = self._read(query.order_by(BOOKINGS.c.id.desc()).limit(limit))
        return [booking.as_of(self._now) for booking in found]

    def on_departures(self, departure_ids: Sequence[str]) -> list[str]:
        """List bookings that have seats on departures."""
        query = sa.select(ITEMS.c.booking_id).where(ITEMS.c.departure_id.in_(departure_ids), HAS_SEATS).distinct()
        return list(self._connection.execute(query.order_by(ITEMS.c.booking_id)).scalars())

    def booked(self, departure_ids: Sequence[str], *, ever: bool = False) -> set[str]:
        """Return those of some departures that have seats held or sold, or ever had bookings of any state."""
        has_some = sa.true() if ever else HAS_SEATS
        query = sa.select(ITEMS.c.departure_id).where(ITEMS.c.departure_id.in_(departure_ids), has_some).distinct()
        return set(self._connection.execute(query).scalars())

    def lapsed(self, *, limit: int) -> list[tuple[str, int]]:
        """List holds whose time is up with the number of their items, the longest over first."""
        columns = BOOKINGS.c
        size = sa.select(sa.func.count()).where(ITEMS.c.booking_id == columns.id).scalar_subquery()
        over = sa.select(columns.id, size).where(columns.expires_at <= self._now)
        return [(row[0], row[1]) for row in self._connection.execute(over.order_by(columns.expires_at).limit(limit))]

    def live_holds(self, rider_id: str) -> list[datetime | None]:
        """List when each of a rider's holds will be over; None is not before its payment is known."""
        if ("live_holds", rider_id) not in self._transaction.memory:
            self.read_live_holds([rider_id])
        found: list[datetime | None] = self._transaction.memory["live_holds", rider_id]
        return found

    def read_live_holds(self, riders: Iterable[str]) -> None:
        """Read the holds of riders in one go, for `live_holds` to remember."""
        found: dict[str, list[datetime | None]] = {rider_id: [] for rider_id in riders}
        for rider_id, ends in self._connection.execute(LIVE_HOLDS, {"riders": list(found), "now": self._now}):
            found[rider_id].append(ends)
        self._transaction.memory |= {("live_holds", rider_id): ends for rider_id, ends in found.items()}

    def set_references_aside(self, drawn: Iterable[str]) -> None:
        """Keep those of some references that are free for `next_reference`: in a group one that is not fails all."""
        wanted = set(drawn)
        taken = {row[0] for row in self._connection.execute(TAKEN_REFERENCES, {"references": list(wanted)})}
        self._transaction.memory["references"] = list(wanted - taken)

    def next_reference(self, draw: Callable[[], str]) -> str:
        """Take a reference set aside or draw one; should it not be free, the writer runs the call anew."""
        aside: list[str] = self._transaction.memory.get("references", [])
        return aside.pop() if aside else draw()

    def _remember_change(self, booking: Booking) -> None:
        """Let later calls of the group see a booking as it is now, and not what followed from what it was."""
        memory = self._transaction.memory
        memory["booking", booking.id] = booking
        memory.pop(("live_holds", booking.rider_id), None)
        if booking.seats_expire_at is not None and booking.seats_expire_at <= self._now:
            for departure_id in booking.departure_ids:
                memory.pop(("lapsed", departure_id), None)

    def _read(self, query: sa.Select[Any], asked: Mapping[str, Any] | None = None) -> list[Booking]:
        rows: list[Any] = list(self._connection.execute(query, asked))
        if not rows:
            return []
        items: dict[str, list[Item]] = {row.id: [] for row in rows}
        for row in self._connection.execute(READ_ITEMS, {"ids": list(items)}):
            values: Any = row
            items[values.booking_id].append(read_item(values))
        legs = {row.id: json.loads(row.legs) for row in rows}
        ids = {leg[0] for of_booking in legs.values() for leg in of_booking}
        departures = Departures(self._connection, now=self._now).get_many(sorted(ids))
        return [
            read_booking(row, items[row.id], [departures[leg[0]].leg(leg[1], leg[2]) for leg in legs[row.id]])
            for row in rows
        ]


def may_see(caller: Caller, booking: Booking) -> bool:
    """Tell whether a caller may see a booking: their own, and as staff those of the operator they work for."""
    if is_guard_off("owner_predicate") or (caller.subject and booking.rider_id == caller.subject):
        return True
    works_there = bool(caller.operator_id) and caller.operator_id in (booking.operator_id, ANY_OPERATOR)
    return caller.has("bookings:all") and works_there


def visible_to(caller: Caller) -> sa.ColumnElement[bool]:
    """Say the same to the database."""
    if is_guard_off("owner_predicate"):
        return sa.true()
    mine = sa.and_(BOOKINGS.c.rider_id == caller.subject, sa.literal(bool(caller.subject)))
    if not caller.has("bookings:all"):
        return mine
    if caller.operator_id == ANY_OPERATOR:
        return sa.true()
    return sa.or_(mine, sa.and_(BOOKINGS.c.operator_id == caller.operator_id, sa.literal(bool(caller.operator_id))))


def new(values: Mapping[str, object]) -> dict[str, object]:
    """Name a row's values as the statements that save it do."""
    return {f"new_{name}": value for name, value in values.items()}


def write_booking(booking: Booking) -> dict[str, object]:
    """Turn a booking into a row's values."""
    legs = [[leg.departure_id, leg.origin.sequence, leg.destination.sequence] for leg in booking.legs]
    return {name: getattr(booking, name) for name in OWN_OF_BOOKING} | {
        "expires_at": booking.seats_expire_at,
        "legs": json.dumps(legs),
        "contact_email": booking.contact.email,
        "contact_phone": booking.contact.phone,
    }


def write_item(booking: Booking, place: int, item: Item) -> dict[str, object]:
    """Turn an item into a row's values."""
    own = {name: getattr(item, name) for name in OWN_OF_ITEM}
    return {**own, "booking_id": booking.id, "position": place, "expires_at": booking.seats_expire_at}


def read_booking(row: Any, items: Sequence[Item], legs: Sequence[Any]) -> Booking:
    """Turn a row into a booking."""
    own = {name: getattr(row, name) for name in OWN_OF_BOOKING}
    return Booking(
        **own | {"state": BookingState(row.state), "payment_state": PaymentState(row.payment_state)},
        legs=tuple(legs),
        items=tuple(items),
        contact=Contact(row.contact_email, row.contact_phone),
    )


def read_item(row: Any) -> Item:
    """Turn a row into an item."""
    own = {name: getattr(row, name) for name in OWN_OF_ITEM}
    return Item(**own | {"state": ItemState(row.state), "boarding": Boarding(row.boarding)})
