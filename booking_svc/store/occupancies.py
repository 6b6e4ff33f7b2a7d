"""Rows of seats: what is taken, changed so that the database itself refuses to sell a segment twice."""

import json
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from functools import cache
from itertools import islice
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from booking_svc.domain.booking import Item
from booking_svc.domain.departure import Departure
from booking_svc.domain.occupancy import Lapsed, Masks, Occupancy, ride_mask, without
from booking_svc.store.tables import ItemRow, OccupancyRow, SeatMaskRow
from chassis.database import Instant, table_of
from chassis.errors import LostRace
from chassis.faults import is_guard_off
from chassis.transaction import Transaction

OCCUPANCIES, MASKS, ITEMS = table_of(OccupancyRow), table_of(SeatMaskRow), table_of(ItemRow)
WORD_BITS = 62
WORD = (1 << WORD_BITS) - 1
BLOCK_SEATS = 64
# Statements of the hot path are built once: building one costs more than SQLite takes to run it.
COUNTS = sa.select(OCCUPANCIES).where(OCCUPANCIES.c.departure_id == sa.bindparam("at_departure"))
ALL = sa.select(MASKS.c.seat_index, MASKS.c.word, MASKS.c.taken).where(
    MASKS.c.departure_id == sa.bindparam("at_departure")
)
BLOCK = sa.select(MASKS.c.seat_index, MASKS.c.word, MASKS.c.taken).where(
    MASKS.c.departure_id == sa.bindparam("at_departure"),
    MASKS.c.seat_index >= sa.bindparam("first"),
    MASKS.c.seat_index < sa.bindparam("end"),
)
LAPSED = sa.select(ITEMS.c.booking_id, ITEMS.c.seat_index, ITEMS.c.origin_sequence, ITEMS.c.destination_sequence).where(
    ITEMS.c.departure_id == sa.bindparam("at_departure"), ITEMS.c.expires_at <= sa.bindparam("now", type_=Instant)
)
MASKS_OF = sa.select(MASKS.c.departure_id, MASKS.c.seat_index, MASKS.c.word, MASKS.c.taken).where(
    MASKS.c.departure_id.in_(sa.bindparam("ids", expanding=True))
)
LAPSED_OF = sa.select(
    ITEMS.c.departure_id, ITEMS.c.booking_id, ITEMS.c.seat_index, ITEMS.c.origin_sequence, ITEMS.c.destination_sequence
).where(
    ITEMS.c.departure_id.in_(sa.bindparam("ids", expanding=True)),
    ITEMS.c.expires_at <= sa.bindparam("now", type_=Instant),
)
GIVING = (
    sa.update(MASKS)
    .where(
        MASKS.c.departure_id == sa.bindparam("at_departure"),
        MASKS.c.seat_index == sa.bindparam("at_seat"),
        MASKS.c.word == sa.bindparam("at_word"),
    )
    .values(taken=MASKS.c.taken.op("&")(sa.bindparam("others", type_=sa.BigInteger)))
)


class Occupancies:
    """The seats of one open transaction.

    What it has read of a departure it remembers: whoever changes seats, or reads them to change them, has the departure
    locked. `give` writes at once and so makes it forget.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._transaction = Transaction.of(connection)
        self._taking = taking_statement(connection.dialect.name, is_guarded=not is_guard_off("seat_lock"))
        self._saving = saving_statement(connection.dialect.name, is_guarded=not is_guard_off("seat_lock"))

    def get(self, departure: Departure) -> Occupancy:
        """Read a departure's counts; nobody has sat down on one that has none."""
        asked = {"at_departure": departure.id}
        found: Occupancy = self._remembered(
            ("counts", departure.id), lambda: read_occupancy(departure, self._connection.execute(COUNTS, asked).first())
        )
        return found

    def read_ahead(self, departure: Departure, *, now: datetime, seats: int) -> None:
        """Read what taking so many seats will look at, before anything waits to be written."""
        self.lapsed(departure.id, now=now)
        first = self.get(departure).search_from
        for number in range(first // BLOCK_SEATS, min(first + seats, departure.capacity) // BLOCK_SEATS + 1):
            self._block(departure.id, number)

    def masks(self, departure_id: str, *, seats: Iterable[int] | None = None) -> Masks:
        """Read what is taken of all seats of a departure, or of the blocks that some are in."""
        if seats is None:
            return read_masks(self._connection.execute(ALL, {"at_departure": departure_id}))
        blocks = [self._block(departure_id, number) for number in sorted({seat // BLOCK_SEATS for seat in seats})]
        return {seat: mask for block in blocks for seat, mask in block.items()}

    def masks_of(self, departure_ids: Sequence[str]) -> dict[str, Masks]:
        """Read what is taken of each of some departures; one where nobody sits is left out."""
        found: dict[str, dict[int, int]] = {}
        for departure_id, seat, word, taken in self._connection.execute(MASKS_OF, {"ids": list(departure_ids)}):
            masks = found.setdefault(departure_id, {})
            masks[seat] = masks.get(seat, 0) | taken << word * WORD_BITS
        return dict(found)

    def lapsed_of(self, departure_ids: Sequence[str], *, now: datetime) -> dict[str, list[Lapsed]]:
        """List what holds that are over still cover of each of some departures."""
        found: dict[str, list[Lapsed]] = {}
        for departure_id, *rest in self._connection.execute(LAPSED_OF, {"ids": list(departure_ids), "now": now}):
            found.setdefault(departure_id, []).append(Lapsed(*rest))
        return found

    def free_seats(self, occupancy: Occupancy, ride: int, *, lapsed: Sequence[Lapsed], count: int | None) -> list[int]:
        """Find seats that are free on a ride but for holds that are over: as many as asked for, or all, in order.

        Looks at a block of seats at a time, from the first that is not taken all the way.
        """
        found: list[int] = []
        start = occupancy.search_from
        while start < occupancy.capacity and (count is None or len(found) < count):
            number = start // BLOCK_SEATS
            end = min((number + 1) * BLOCK_SEATS, occupancy.capacity)
            block = self._block(occupancy.departure_id, number)
            masks = without(block, lapsed) if lapsed else block
            free = (seat for seat in range(start, end) if not masks.get(seat, 0) & ride)
            found.extend(free if count is None else islice(free, count - len(found)))
            start = end
        return found

    def lapsed(self, departure_id: str, *, now: datetime) -> list[Lapsed]:
        """List what holds that are over still cover."""
        asked = {"at_departure": departure_id, "now": now}
        found: list[Lapsed] = self._remembered(
            ("lapsed", departure_id), lambda: [Lapsed(*row) for row in self._connection.execute(LAPSED, asked)]
        )
        return found

    def take(self, occupancy: Occupancy, items: Sequence[Item]) -> Occupancy:
        """Mark the seats of items as taken; the database raises LostRace when a segment of one is taken already."""
        changed = occupancy
        for item in items:
            ride = ride_mask(item.origin_sequence, item.destination_sequence)
            for word, bits in words(ride):
                self._take_word((item.departure_id, item.seat_index, word), bits)
            block = self._block(item.departure_id, item.seat_index // BLOCK_SEATS)
            block[item.seat_index] = block.get(item.seat_index, 0) | ride
            changed = changed.changed(item.origin_sequence, item.destination_sequence, 1)
        return self._save(self._search_later(changed), before=occupancy)

    def _take_word(self, at: tuple[str, int, int], bits: int) -> None:
        """Let the bits of a word wait, together with those that wait for it already."""
        if (waiting := self._transaction.waiting(self._taking, at)) is not None:
            if waiting["taken"] & bits:
                raise LostRace
            bits |= waiting["taken"]
        row = {"departure_id": at[0], "seat_index": at[1], "word": at[2], "taken": bits}
        self._transaction.put_off(self._taking, row, key=at)

    def give(self, occupancy: Occupancy, items: Sequence[Item]) -> Occupancy:
        """Mark the seats of items as free."""
        giving = [
            {"at_departure": item.departure_id, "at_seat": item.seat_index, "at_word": word, "others": ~bits}
            for item in items
            for word, bits in words(ride_mask(item.origin_sequence, item.destination_sequence))
        ]
        self._connection.execute(GIVING, giving)
        changed = occupancy
        for item in items:
            changed = changed.changed(item.origin_sequence, item.destination_sequence, -1)
            changed = replace(changed, search_from=min(changed.search_from, item.seat_index))
        return self._save(changed, before=occupancy)

    def forget(self, departure: Departure) -> None:
        """Begin anew with a departure that calls elsewhere now and that nobody ever sat on; its version goes on."""
        segments = json.dumps((0,) * departure.segments)
        fresh = sa.update(OCCUPANCIES).where(OCCUPANCIES.c.departure_id == departure.id)
        self._connection.execute(fresh.values(taken=segments, search_from=0, version=OCCUPANCIES.c.version + 1))

    def _search_later(self, occupancy: Occupancy) -> Occupancy:
        """Let the next search begin behind the seats that are taken all the way."""
        if min(occupancy.taken) <= occupancy.search_from:
            return occupancy
        whole = ride_mask(0, len(occupancy.taken))
        start = occupancy.search_from
        end = min((start // BLOCK_SEATS + 1) * BLOCK_SEATS, occupancy.capacity)
        masks = self._block(occupancy.departure_id, start // BLOCK_SEATS)
        first_free = next((seat for seat in range(start, end) if masks.get(seat, 0) != whole), end)
        return replace(occupancy, search_from=first_free)

    def _block(self, departure_id: str, number: int) -> dict[int, int]:
        first = number * BLOCK_SEATS
        asked = {"at_departure": departure_id, "first": first, "end": first + BLOCK_SEATS}
        found: dict[int, int] = self._remembered(
            ("block", departure_id, number), lambda: read_masks(self._connection.execute(BLOCK, asked))
        )
        return found

    def _remembered(self, what: Hashable, read: Callable[[], Any]) -> Any:
        memory = self._transaction.memory
        if what not in memory:
            memory[what] = read()
        return memory[what]

    def _save(self, occupancy: Occupancy, *, before: Occupancy) -> Occupancy:
        """Write the counts over the version that they were worked out from: once, however many calls change them."""
        saved = replace(occupancy, version=before.version + 1)
        waiting = self._transaction.waiting(self._saving, saved.departure_id)
        row = {
            "departure_id": saved.departure_id,
            "taken": json.dumps(saved.taken),
            "search_from": saved.search_from,
            "version": saved.version,
            "seen_version": waiting["seen_version"] if waiting else before.version,
        }
        if waiting and waiting["version"] != before.version:
            raise LostRace
        self._transaction.put_off(self._saving, row, key=saved.departure_id)
        self._transaction.memory["counts", saved.departure_id] = saved
        return saved


@cache
def taking_statement(dialect: str, *, is_guarded: bool) -> Any:
    """Insert seats' bits, or add them to rows in which none of them is set; PostgreSQL gets all rows at once."""
    insert = (sqlite if dialect == "sqlite" else postgresql).insert(MASKS)
    free = MASKS.c.taken.op("&")(insert.excluded.taken) == 0
    key = [MASKS.c.departure_id, MASKS.c.seat_index, MASKS.c.word]
    added = {"taken": MASKS.c.taken.op("|")(insert.excluded.taken)}
    taking = insert.on_conflict_do_update(index_elements=key, set_=added, where=free if is_guarded else None)
    if dialect == "sqlite":
        return taking
    arrays = [sa.bindparam(column.name, type_=postgresql.ARRAY(column.type)) for column in MASKS.c]
    return taking.from_select(list(MASKS.c), sa.select(*map(sa.func.unnest, arrays))).execution_options(by_column=True)


@cache
def saving_statement(dialect: str, *, is_guarded: bool) -> Any:
    """Insert a departure's counts, or replace those of the version that was seen."""
    insert = (sqlite if dialect == "sqlite" else postgresql).insert(OCCUPANCIES)
    seen = OCCUPANCIES.c.version == sa.bindparam("seen_version")
    changed = {name: insert.excluded[name] for name in ("taken", "search_from", "version")}
    return insert.on_conflict_do_update(
        index_elements=[OCCUPANCIES.c.departure_id], set_=changed, where=seen if is_guarded else None
    )


def read_occupancy(departure: Departure, row: Any) -> Occupancy:
    """Read a departure's counts, or the empty ones of a departure that has none yet."""
    if row is None:
        return Occupancy(departure.id, departure.capacity, (0,) * departure.segments, 0, 0)
    return Occupancy(departure.id, departure.capacity, tuple(json.loads(row.taken)), row.search_from, row.version)


def read_masks(rows: Iterable[Any]) -> dict[int, int]:
    """Join the words of each seat."""
    masks: dict[int, int] = {}
    for seat, word, taken in rows:
        masks[seat] = masks.get(seat, 0) | taken << word * WORD_BITS
    return masks


def words(mask: int) -> list[tuple[int, int]]:
    """Cut a ride's bits into words that are not zero, lowest first."""
    found = []
    word = 0
    while mask:
        if bits := mask & WORD:
            found.append((word, bits))
        mask >>= WORD_BITS
        word += 1
    return found
