"""Rows of stops, routes, patterns and departures."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from functools import cache, lru_cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from booking_svc.domain.departure import (
    AssignedVehicle,
    Departure,
    DepartureState,
    Mode,
    Pattern,
    PatternCall,
    Route,
    Stop,
)
from booking_svc.domain.errors import DepartureExists, StaleVersion
from booking_svc.store.tables import DepartureRow, PatternRow, PatternStopRow, RouteRow, StopRow
from chassis.database import table_of
from chassis.errors import NotFound
from chassis.faults import is_guard_off
from chassis.ids import stable_id
from chassis.transaction import Transaction

STOPS, ROUTES, PATTERNS = table_of(StopRow), table_of(RouteRow), table_of(PatternRow)
PATTERN_STOPS, DEPARTURES = table_of(PatternStopRow), table_of(DepartureRow)
PATTERNS_REMEMBERED = 5000
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
    """The timetable of one open transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._transaction = Transaction.of(connection)
        self._locked_up_to = ""

    def save_stops(self, stops: Iterable[Stop], *, operator_id: str) -> None:
        """Insert stops or bring them up to date."""
        wanted = {stop.id: stop for stop in stops}
        known = self.get_stops(list(wanted))
        added = [asdict(stop) | {"operator_id": operator_id} for stop in wanted.values() if stop.id not in known]
        if added:
            self._connection.execute(sa.insert(STOPS), added)
        for stop in wanted.values():
            if known.get(stop.id, stop) != stop:
                self._connection.execute(sa.update(STOPS).where(STOPS.c.id == stop.id).values(asdict(stop)))

    def get_stops(self, stop_ids: Sequence[str]) -> dict[str, Stop]:
        """Read those of some stops that exist."""
        rows: Any = self._connection.execute(sa.select(STOPS).where(STOPS.c.id.in_(stop_ids)))
        return {
            row.id: Stop(
                row.id, row.feed_stop_id, row.name, row.timezone, row.latitude, row.longitude, row.zone_id
            )
            for row in rows
        }  # fmt: skip

    def save_route(self, route: Route, *, operator_id: str) -> None:
        """Insert a route or bring it up to date."""
        self._upsert(ROUTES, {**asdict(route), "operator_id": operator_id})

    def save_pattern(self, calls: tuple[PatternCall, ...]) -> Pattern:
        """Store calls once, however many departures share them."""
        content = write_calls(calls)
        pattern = Pattern(stable_id("pat", content), calls)
        known = sa.select(PATTERNS.c.id).where(PATTERNS.c.id == pattern.id)
        if self._connection.execute(known).first() is None:
            self._connection.execute(sa.insert(PATTERNS), {"id": pattern.id, "calls": content})
            stops = [{"stop_id": stop, "pattern_id": pattern.id} for stop in {call.stop.id for call in calls}]
            self._connection.execute(sa.insert(PATTERN_STOPS), stops)
        return pattern

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
        rows = self._connection.execute(reading_statement(is_locked=False), {"ids": list(departure_ids)})
        found = {departure.id: departure for departure in map(read_departure, rows)}
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
            rows = self._connection.execute(query, {"ids": unread})
            memory |= {("locked", row.id): read_departure(row) for row in rows}
            self._locked_up_to = max(self._locked_up_to, unread[-1])
        return {known: memory["locked", known] for known in wanted if ("locked", known) in memory}

    def page(self, wanted: Filter, *, after: tuple[datetime, str] | None, limit: int) -> Iterator[Departure]:
        """Read departures in order of start and id, from after a place in that order."""
        columns = DEPARTURES.c
        query = select_departures().where(*conditions(wanted)).order_by(columns.starts_at, columns.id).limit(limit)
        if after is not None:
            starts_at, departure_id = after
            later = sa.and_(columns.starts_at == starts_at, columns.id > departure_id)
            query = query.where(sa.or_(columns.starts_at > starts_at, later))
        return map(read_departure, self._connection.execute(query))

    def _upsert(self, table: sa.Table, values: dict[str, object]) -> None:
        changed = self._connection.execute(sa.update(table).where(table.c.id == values["id"]).values(values))
        if not changed.rowcount:
            self._connection.execute(sa.insert(table), values)


def conditions(wanted: Filter) -> list[sa.ColumnElement[bool]]:
    """Turn a filter into conditions."""
    columns = DEPARTURES.c
    found: list[sa.ColumnElement[bool]] = []
    named = ("operator_id", "route_id", "service_date")
    found.extend(columns[name] == getattr(wanted, name) for name in named if getattr(wanted, name))
    if wanted.stop_id:
        calling = sa.select(PATTERN_STOPS.c.pattern_id).where(PATTERN_STOPS.c.stop_id == wanted.stop_id)
        found.append(columns.pattern_id.in_(calling))
    if wanted.departure_ids:
        found.append(columns.id.in_(wanted.departure_ids))
    if wanted.starts_from is not None:
        found.append(columns.starts_at >= wanted.starts_from)
    if wanted.starts_before is not None:
        found.append(columns.starts_at < wanted.starts_before)
    return found


def select_departures() -> sa.Select[Any]:
    """Join departures with their route and pattern."""
    route = [ROUTES.c[name].label(f"route_{name}") for name in ("feed_route_id", "short_name", "long_name", "mode")]
    joined = DEPARTURES.join(ROUTES, ROUTES.c.id == DEPARTURES.c.route_id).join(
        PATTERNS, PATTERNS.c.id == DEPARTURES.c.pattern_id
    )
    return sa.select(DEPARTURES, *route, PATTERNS.c.calls).select_from(joined)


@cache
def reading_statement(*, is_locked: bool, is_patient: bool = True) -> sa.Select[Any]:
    """Read departures by id, as they are or locked in the order of their ids: after a wait, or at once."""
    query = select_departures().where(DEPARTURES.c.id.in_(sa.bindparam("ids", expanding=True)))
    if is_locked:
        query = query.order_by(DEPARTURES.c.id).with_for_update(of=DEPARTURES, key_share=True, nowait=not is_patient)
    return query


def read_departure(row: Any) -> Departure:
    """Turn a joined row into a departure."""
    route = Route(
        row.route_id, row.route_feed_route_id, row.route_short_name, row.route_long_name, Mode(row.route_mode)
    )
    return Departure(
        row.id,
        row.operator_id,
        row.feed_trip_id,
        route,
        row.headsign,
        date.fromisoformat(row.service_date),
        row.day_start_at,
        read_pattern(row.pattern_id, row.calls),
        DepartureState(row.state),
        AssignedVehicle(row.vehicle_id, row.vehicle_label) if row.vehicle_id else None,
        row.layout_id,
        row.capacity,
        row.version,
    )


def write_departure(departure: Departure) -> dict[str, object]:
    """Turn a departure into a row's values."""
    return {
        "id": departure.id,
        "operator_id": departure.operator_id,
        "feed_trip_id": departure.feed_trip_id,
        "route_id": departure.route.id,
        "headsign": departure.headsign,
        "service_date": departure.service_date.isoformat(),
        "day_start_at": departure.day_start_at,
        "starts_at": departure.starts_at,
        "pattern_id": departure.pattern.id,
        "state": departure.state,
        "vehicle_id": departure.vehicle.id if departure.vehicle else "",
        "vehicle_label": departure.vehicle.label if departure.vehicle else "",
        "layout_id": departure.layout_id,
        "capacity": departure.capacity,
        "version": departure.version,
    }


def write_calls(calls: tuple[PatternCall, ...]) -> str:
    """Write calls so that equal ones are equal text."""
    return json.dumps([asdict(call) for call in calls], sort_keys=True, separators=(",", ":"), allow_nan=False)


@lru_cache(maxsize=PATTERNS_REMEMBERED)
def read_pattern(pattern_id: str, calls: str) -> Pattern:
    """Read a pattern; it may be remembered because the id is the content's digest."""
    return Pattern(
        pattern_id, tuple(PatternCall(**{**call, "stop": Stop(**call["stop"])}) for call in json.loads(calls))
    )
