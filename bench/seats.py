"""A shop that sells seats by the product's own use case, and counts afterwards what it has sold."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import sqlalchemy as sa
import uvloop
from headway.booking.v1.availability_events_pb2 import AvailabilityChanged

from bench.report import Load, drive
from booking_svc import translate
from booking_svc.bootstrap import open_store
from booking_svc.domain.booking import Booking
from booking_svc.domain.departure import Departure
from booking_svc.domain.errors import SoldOut
from booking_svc.domain.layout import Layout
from booking_svc.encode_event import encode_event
from booking_svc.settings import BookingSettings
from booking_svc.store.bookings import BOOKINGS, ITEMS
from booking_svc.store.history import HISTORY
from booking_svc.store.occupancies import MASKS, OCCUPANCIES
from booking_svc.store.work import Work
from booking_svc.use_cases.hold_booking import hold_booking
from chassis.access import Caller
from chassis.clock import SystemClock
from chassis.outbox import Outbox
from chassis.replies import Once, Replies, packed
from chassis.store import Store
from tests.booking_svc import bookings, builders

SEGMENTS = 3
HOLDS_PER_RIDER = BookingSettings.model_fields["holds_per_rider"].default
HOLD_SECONDS = BookingSettings.model_fields["hold_seconds"].default


class Shop:
    """A booking database with its writer running."""

    def __init__(self, store: Store[Work]) -> None:
        self.store = store
        self.path = store.database.url.database or ""
        self.is_right = True

    def publish(self, *, seats: int) -> Departure:
        """Put a departure of three segments on sale, with more seats than any vehicle if need be."""
        layout = Layout(f"lay_{uuid4().hex}", builders.OPERATOR, "Large", tuple(builders.plain_seats(seats)))
        builders.commit(self.store, lambda work: work.layouts.add(layout))
        return builders.publish(self.store, layout_id=layout.id)

    async def hold(self, departure: Departure, total: int, *, callers: int, group_max: int = 256) -> Load:
        """Hold seats, each rider one with a key of his own."""
        wish = self._wish(departure)

        async def hold_one(number: int) -> None:
            await self._hold(wish, f"usr_{number}_{departure.id}")

        usual, self.store._writer._group_max = self.store._writer._group_max, group_max
        try:
            return await drive(hold_one, total=total, callers=callers)
        finally:
            self.store._writer._group_max = usual

    async def _hold(self, wish: dict[str, Any], rider: str) -> None:
        body = os.urandom(200)
        once = Once.of(subject=rider, operation="HoldBooking", key=uuid4().hex, body=body)
        caller = Caller(rider, builders.RIDER.scopes)
        await self.store.write(hold_booking, once=once, answer=answer, timeout_seconds=60, **wish | {"caller": caller})

    def _wish(self, departure: Departure) -> dict[str, Any]:
        limits = {"hold_seconds": HOLD_SECONDS, "holds_max": HOLDS_PER_RIDER}
        return builders.hold_wish((departure, 0, SEGMENTS), **limits)

    async def take_bare_seats(self, total: int, *, callers: int) -> Load:
        """Choose and take seats and nothing else: no booking, no event, no reply."""
        departure = self.publish(seats=total)

        def take(work: Work) -> None:
            counts = work.occupancies.get(work.departures.lock([departure.id])[departure.id])
            (seat,) = work.occupancies.free_seats(counts, (1 << SEGMENTS) - 1, lapsed=[], count=1)
            chosen = bookings.item(seat, departure_id=departure.id, destination_sequence=SEGMENTS)
            work.occupancies.take(counts, [chosen])

        return await drive(lambda _number: self.store.write(take), total=total, callers=callers)

    def decide_alone(self, total: int) -> float:
        """Hold without writing anything: rules, events and replies, one after the other; what Python can do at most."""
        departure = self.publish(seats=2 * total)
        wish = self._wish(departure) | {"holds_max": 0}
        with self.store.database.writer.connect() as connection:
            work = Work(connection, self.store.now(), encode=encode_event)
            (locked,) = work.departures.lock([departure.id]).values()
            work.occupancies.read_ahead(locked, now=work.now, seats=total)
            began = time.perf_counter()
            for _ in range(total):
                packed(answer(hold_booking(work, **wish)))
            return total / (time.perf_counter() - began)

    async def sell_out(self, *, seats: int, asked: int, callers: int) -> tuple[int, int]:
        """Let more ask than there are seats; return how many got one and how many were refused."""
        departure = self.publish(seats=seats)
        wish = self._wish(departure)
        refused = 0

        async def ask(number: int) -> None:
            nonlocal refused
            try:
                await self._hold(wish, f"usr_{number}_{departure.id}")
            except SoldOut:
                refused += 1

        await drive(ask, total=asked, callers=callers)
        self.check(departure, seats)
        return asked - refused, refused

    async def hold_late(self, *, seats: int, departures: int, total: int, callers: int) -> Load:
        """Hold whole rides where half of the seats are taken on a part of the way, in turn on some departures."""
        wishes = []
        for _ in range(departures):
            departure = self.publish(seats=seats)
            wishes.append(self._wish(departure))
            taken = [
                bookings.item(seat, departure_id=departure.id, destination_sequence=1) for seat in range(seats // 2)
            ]
            builders.commit(self.store, lambda work, at=departure, of=taken: work.take_seats(at, of))

        async def hold_one(number: int) -> None:
            await self._hold(wishes[number % departures], f"usr_{uuid4().hex}")

        return await drive(hold_one, total=total, callers=callers)

    def count_from_zero(self, departure: Departure) -> None:
        """Write the counts of a departure on which nobody sits, as the peers expect them."""
        row = {"departure_id": departure.id, "taken": f"[{', '.join('0' * SEGMENTS)}]", "search_from": 0, "version": 0}
        with self.store.database.writer.begin() as connection:
            connection.execute(sa.insert(OCCUPANCIES), row)

    def check(self, departure: Departure, sold: int, *, is_ours: bool = True) -> None:
        """Count seats by items, masks, counts, events, history and replies: all must say the same.

        Our own event of availability is one a group; the last must tell what the counts tell.
        """
        at = departure.id
        mine = sa.select(ITEMS.c.booking_id).where(ITEMS.c.departure_id == at)
        subjects = Outbox.table.c.subject.like(f"%.{at}")
        counted = {
            "seats": sa.select(sa.func.count(sa.distinct(ITEMS.c.seat_index))).where(ITEMS.c.departure_id == at),
            "items": sa.select(sa.func.count()).where(ITEMS.c.departure_id == at),
            "bookings": sa.select(sa.func.count()).where(BOOKINGS.c.id.in_(mine)),
            "masks": sa.select(sa.func.count()).where(MASKS.c.departure_id == at, MASKS.c.taken == (1 << SEGMENTS) - 1),
            "history": sa.select(sa.func.count()).where(HISTORY.c.booking_id.in_(mine)),
            "held": sa.select(sa.func.count()).where(subjects, Outbox.table.c.stream == "BOOKING"),
        }
        replies = sa.select(sa.func.count()).select_from(Replies.table)
        with self.store.database.reader.begin() as connection:
            found = {name: connection.execute(query).scalar_one() for name, query in counted.items()}
            counts = connection.execute(sa.select(OCCUPANCIES.c.taken).where(OCCUPANCIES.c.departure_id == at)).scalar()
            last = connection.execute(
                sa.select(Outbox.table.c.payload)
                .where(subjects, Outbox.table.c.stream == "AVAILABILITY")
                .order_by(Outbox.table.c.position.desc())
            ).scalar()
            all_replies = connection.execute(replies).scalar_one()
            all_bookings = connection.execute(sa.select(sa.func.count()).select_from(BOOKINGS)).scalar_one()
        is_right = set(found.values()) == {sold} and counts == str([sold] * SEGMENTS) and all_replies == all_bookings
        if is_ours:
            told = AvailabilityChanged.FromString(last).seats_free
            is_right = is_right and list(told) == [departure.capacity - sold] * SEGMENTS
        if not is_right:
            print(f"expected {sold}, found {found}, counts {counts}, replies {all_replies} of {all_bookings}")
        self.is_right = self.is_right and is_right

    def growth(self, *, callers: int) -> dict[str, dict[str, float]]:
        """Return microseconds a hold as departures and the database grow, 1, 10 and 100 times, from an empty one."""
        by_rows = {}
        for rows in (3_000, 30_000, 300_000):
            missing = rows - self.scalar("SELECT count(*) FROM bookings")
            uvloop.run(self.hold(self.publish(seats=missing), missing, callers=callers))
            departure = self.publish(seats=6_000)
            rates = [uvloop.run(self.hold(departure, 2_000, callers=callers)).rate for _ in range(3)]
            by_rows[f"{rows} bookings"] = round(1e6 / max(rates), 1)
        by_size = {}
        for seats in (20, 200, 2_000):
            share = {"seats": seats, "departures": 2_000 // seats, "total": 900}
            rates = [uvloop.run(self.hold_late(**share, callers=callers)).rate for _ in range(3)]
            by_size[f"{seats} seats"] = round(1e6 / max(rates), 1)
        return {"microseconds a hold by seats of a departure": by_size, "microseconds a hold by bookings": by_rows}

    def scalar(self, statement: str) -> Any:
        """Ask the database for one value, on the connection that writes."""
        with self.store.database.writer.begin() as connection:
            return connection.exec_driver_sql(statement).scalar()


def answer(booking: Booking) -> Any:
    return translate.booking_out(booking, now=booking.created_at)


@contextmanager
def opened(url: str) -> Iterator[Shop]:
    """Open a booking database and start its writer, as the service does."""
    store = open_store(url, SystemClock())
    store.start()
    try:
        yield Shop(store)
    finally:
        store.stop()
