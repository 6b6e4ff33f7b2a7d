"""Rows of departures."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime, timedelta
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from booking_svc.domain.departure import (
    NOT_RUNNING,
    AssignedVehicle,
    Departure,
    DepartureState,
    Pattern,
)
from booking_svc.domain.errors import DepartureExists, StaleVersion
from booking_svc.domain.feed_import import FeedState
from booking_svc.domain.timetable_diff import Laid
from booking_svc.store.patterns import ON, PATTERN_STOPS, Connecting, Patterns
from booking_svc.store.routes import ROUTES, read_route
from booking_svc.store.stops import STOPS
from booking_svc.store.tables import DepartureRow, FeedRow
from chassis.database import Instant, table_of
from chassis.errors import NotFound
from chassis.faults import is_guard_off
from chassis.transaction import Transaction

DEPARTURES, FEEDS = table_of(DepartureRow), table_of(FeedRow)
OWN = [field.name for field in fields(Departure) if field.name in DepartureRow.model_fields]
SAVE_DEPARTURE = (
    sa.update(DEPARTURES)
    .where(DEPARTURES.c.id == sa.bindparam("new_id"), DEPARTURES.c.version == sa.bindparam("seen_version"))
    .values({name: sa.bindparam(f"new_{name}") for name in DepartureRow.model_fields})
)


@dataclass(frozen=True, slots=True)
class Filter:
    """Which departures to list; empty fields do not filter."""

    operator_id: str = ""
    route_id: str = ""
    stop_id: str = ""
    service_date: str = ""
    departure_ids: tuple[str, ...] = ()
    starts_from: datetime | None = None
    starts_before: datetime | None = None


class Departures:
    """The departures of one open transaction; those of a feed that is not published yet are not there.

    What is read is as of now; what is locked is as it is stored.
    """

    def __init__(self, connection: Connection, *, now: datetime) -> None:
        self._connection = connection
        self._now = now
        self._patterns = Patterns(connection)
        self._transaction = Transaction.of(connection)
        self._locked_up_to = ""

    def add(self, departure: Departure) -> None:
        """Insert a departure; a trip of a feed runs once on a service date at one time."""
        columns = DEPARTURES.c
        if departure.feed_trip_id:
            same = sa.select(columns.id).where(
                columns.operator_id == departure.operator_id,
                columns.feed_trip_id == departure.feed_trip_id,
                columns.service_date == departure.service_date.isoformat(),
                columns.starts_at == departure.starts_at,
            )
            if (known := self._connection.execute(same).scalar()) is not None:
                raise DepartureExists(departure_id=known)
        self._connection.execute(sa.insert(DEPARTURES), write_departure(departure))

    def save(self, *departures: Departure) -> None:
        """Replace the version before this one, of each departure."""
        changed = [
            {f"new_{name}": value for name, value in write_departure(departure).items()}
            | {"seen_version": departure.version - 1}
            for departure in departures
        ]
        if changed and self._connection.execute(SAVE_DEPARTURE, changed).rowcount < len(changed):
            raise StaleVersion

    def get(self, departure_id: str) -> Departure:
        """Read one departure."""
        return self.get_many([departure_id])[departure_id]

    def get_many(self, departure_ids: Sequence[str]) -> dict[str, Departure]:
        """Read departures that must all exist."""
        rows = self._connection.execute(reading_statement(is_locked=False), {"ids": list(departure_ids)}).all()
        found = {departure.id: departure for departure in self._see(rows)}
        if missing := [departure_id for departure_id in departure_ids if departure_id not in found]:
            raise NotFound(departure_id=missing[0])
        return found

    def lock(self, departure_ids: Iterable[str]) -> dict[str, Departure]:
        """Read departures as nobody else can change them, nor their seats, before this transaction ends.

        A SQLite database has one writer, so that there it is the same as reading. On PostgreSQL everybody takes the
        rows in one order, so that two transactions of one call each never wait in a circle; a call that comes later in
        a group takes what is before its predecessors' rows at once or fails, and is run again alone.
        """
        wanted = sorted(departure_ids)
        found = self.lock_known(wanted)
        if missing := [departure_id for departure_id in wanted if departure_id not in found]:
            raise NotFound(departure_id=missing[0])
        return found

    def lock_known(self, departure_ids: Iterable[str]) -> dict[str, Departure]:
        """Lock those of some departures that exist; what is locked need not be read again."""
        memory = self._transaction.memory
        wanted = sorted(departure_ids)
        if unread := [departure_id for departure_id in wanted if ("locked", departure_id) not in memory]:
            is_patient = not self._transaction.holds_others_locks or unread[0] > self._locked_up_to
            query = reading_statement(is_locked=not is_guard_off("seat_lock"), is_patient=is_patient)
            rows = self._connection.execute(query, {"ids": unread}).all()
            memory |= {("locked", found.id): found for found in self._read(rows)}
            self._locked_up_to = max(self._locked_up_to, unread[-1])
        return {known: memory["locked", known] for known in wanted if ("locked", known) in memory}

    def _see(self, rows: Sequence[Any]) -> list[Departure]:
        return [departure.as_of(self._now) for departure in self._read(rows)]

    def _read(self, rows: Sequence[Any]) -> list[Departure]:
        patterns = self._patterns.calls_of({row.pattern_id for row in rows})
        return [read_departure(row, patterns[row.pattern_id]) for row in rows]

    def page(self, wanted: Filter, *, after: tuple[datetime, str] | None, limit: int) -> list[Departure]:
        """Read departures in order of start and id, from after a place in that order."""
        columns = DEPARTURES.c
        query = select_departures().where(*conditions(wanted)).order_by(columns.starts_at, columns.id).limit(limit)
        if after is not None:
            starts_at, departure_id = after
            later = sa.and_(columns.starts_at == starts_at, columns.id > departure_id)
            query = query.where(sa.or_(columns.starts_at > starts_at, later))
        return self._see(self._connection.execute(query).all())

    def leaving(
        self, connecting: Sequence[Connecting], *, after: tuple[datetime, str], end: datetime, limit: int
    ) -> list[tuple[datetime, Departure]]:
        """Read departures in the order in which they take up riders, where connecting patterns do.

        From behind a time and an id in that order, and before a time; each comes with when it leaves there.
        """
        if not connecting:
            return []
        seconds = [one.leaves_after_seconds for one in connecting]
        asked = {
            "calls": [(one.origin_stop_id, one.pattern_id, one.origin) for one in connecting],
            "start": after[0] - timedelta(seconds=max(seconds)),
            "after": after[0],
            "after_id": after[1],
            "end": end,
            "limit": limit,
        }
        rows = self._connection.execute(leaving_statement(), asked).all()
        return [(row.leaves_at, found) for row, found in zip(rows, self._see(rows), strict=True)]

    def of_day(self, operator_id: str, day: date) -> list[Laid]:
        """Read what is laid out of an operator's trips on a service date, seen or not."""
        columns = DEPARTURES.c
        query = sa.select(*(columns[name] for name in Laid._fields)).where(
            columns.operator_id == operator_id, columns.service_date == day.isoformat(), columns.feed_trip_id != ""
        )
        return [Laid(*row) for row in self._connection.execute(query)]

    def lay_out(self, departures: Sequence[Departure]) -> None:
        """Insert departures that are known not to be there."""
        self._connection.execute(sa.insert(DEPARTURES), [write_departure(departure) for departure in departures])


def conditions(wanted: Filter) -> list[sa.ColumnElement[bool]]:
    """Turn a filter into conditions."""
    columns = DEPARTURES.c
    found: list[sa.ColumnElement[bool]] = []
    named = ("operator_id", "route_id", "service_date")
    found.extend(columns[name] == getattr(wanted, name) for name in named if getattr(wanted, name))
    if wanted.stop_id:
        there = sa.select(STOPS.c.id).where(sa.or_(STOPS.c.id == wanted.stop_id, STOPS.c.station_id == wanted.stop_id))
        calling = sa.select(PATTERN_STOPS.c.pattern_id).where(PATTERN_STOPS.c.stop_id.in_(there))
        found.append(columns.pattern_id.in_(calling))
    if wanted.departure_ids:
        found.append(columns.id.in_(wanted.departure_ids))
    if wanted.starts_from is not None:
        found.append(columns.starts_at >= wanted.starts_from)
    if wanted.starts_before is not None:
        found.append(columns.starts_at < wanted.starts_before)
    return found


def select_departures() -> sa.Select[Any]:
    """Join departures that may be seen with their route."""
    hidden = sa.select(FEEDS.c.id).where(FEEDS.c.state == FeedState.IMPORTING)
    route = [ROUTES.c[name].label(f"route_{name}") for name in ("feed_route_id", "short_name", "long_name", "mode")]
    joined = DEPARTURES.join(ROUTES, ROUTES.c.id == DEPARTURES.c.route_id)
    return sa.select(DEPARTURES, *route).select_from(joined).where(DEPARTURES.c.feed_id.not_in(hidden))


@cache
def leaving_statement() -> sa.Select[Any]:
    """Read departures that run, in the order in which they leave some calls of their patterns."""
    columns, microseconds = DEPARTURES.c, ON.c.leaves_after_seconds * 1_000_000
    leaves_at = sa.type_coerce(sa.type_coerce(columns.starts_at, sa.BigInteger) + microseconds, Instant)
    after, end = (sa.bindparam(name, type_=Instant) for name in ("after", "end"))
    return (
        select_departures()
        .add_columns(leaves_at.label("leaves_at"))
        .join(ON, ON.c.pattern_id == columns.pattern_id)
        .where(
            sa.tuple_(ON.c.stop_id, ON.c.pattern_id, ON.c.sequence).in_(sa.bindparam("calls", expanding=True)),
            # What leaves somewhere in time has started in time, which the index knows.
            columns.starts_at >= sa.bindparam("start"),
            columns.starts_at < end,
            sa.or_(leaves_at > after, sa.and_(leaves_at == after, columns.id > sa.bindparam("after_id"))),
            leaves_at < end,
            columns.state.not_in(NOT_RUNNING),
        )
        .order_by(leaves_at, columns.id)
        .limit(sa.bindparam("limit"))
    )


@cache
def reading_statement(*, is_locked: bool, is_patient: bool = True) -> sa.Select[Any]:
    """Read departures by id, as they are or locked in the order of their ids: after a wait, or at once."""
    query = select_departures().where(DEPARTURES.c.id.in_(sa.bindparam("ids", expanding=True)))
    if is_locked:
        query = query.order_by(DEPARTURES.c.id).with_for_update(of=DEPARTURES, key_share=True, nowait=not is_patient)
    return query


def read_departure(row: Any, pattern: Pattern) -> Departure:
    """Turn a joined row into a departure."""
    own = {name: getattr(row, name) for name in OWN}
    return Departure(
        **own | {"state": DepartureState(row.state), "service_date": date.fromisoformat(row.service_date)},
        route=read_route(row, "route_"),
        pattern=pattern,
        vehicle=AssignedVehicle(row.vehicle_id, row.vehicle_label) if row.vehicle_id else None,
    )


def write_departure(departure: Departure) -> dict[str, object]:
    """Turn a departure into a row's values."""
    own = {name: getattr(departure, name) for name in OWN}
    return own | {
        "service_date": departure.service_date.isoformat(),
        "route_id": departure.route.id,
        "pattern_id": departure.pattern.id,
        "vehicle_id": departure.vehicle.id if departure.vehicle else "",
        "vehicle_label": departure.vehicle.label if departure.vehicle else "",
    }
