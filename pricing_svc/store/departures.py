"""Departures as booking last told them, one row each."""

import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from chassis.database import EPOCH, table_of
from chassis.read_models import put_newer
from pricing_svc.domain.departure import Call, Departure, DepartureState, Route
from pricing_svc.store.parsed import Parsed
from pricing_svc.store.tables import DepartureRow

MICROSECOND = timedelta(microseconds=1)


class Departures:
    """The departures of one open transaction."""

    table = table_of(DepartureRow)

    def __init__(self, connection: Connection, parsed: Parsed[Departure]) -> None:
        self._connection = connection
        self._parsed = parsed

    def find(self, departure_ids: Iterable[str]) -> dict[str, Departure]:
        """Return those that are known, by id."""
        columns = self.table.c
        query = sa.select(columns.id, columns.version).where(columns.id.in_(set(departure_ids)))
        return self._parsed.of({row.id: row.version for row in self._connection.execute(query)}, self._load)

    def _load(self, departure_ids: list[str]) -> Iterator[tuple[str, int, Departure]]:
        columns = self.table.c
        query = sa.select(columns.version, columns.body).where(columns.id.in_(departure_ids))
        for row in self._connection.execute(query):
            departure = unpacked(row.body, version=row.version)
            yield departure.id, departure.version, departure

    def keep(self, departures: Sequence[Departure]) -> None:
        """Store those that are newer than what is known."""
        rows: list[dict[str, object]] = [
            {"id": found.id, "version": found.version, "ends_at": found.ends_at, "body": packed(found)}
            for found in sorted(departures, key=lambda departure: departure.id)
        ]
        put_newer(self._connection, self.table, rows)

    def prune(self, *, before: datetime, limit: int) -> list[str]:
        """Forget some that ended before a time; return their ids."""
        columns = self.table.c
        old = sa.select(columns.id).where(columns.ends_at < before).limit(limit)
        ids = list(self._connection.execute(old).scalars())
        if ids:
            self._connection.execute(sa.delete(self.table).where(columns.id.in_(ids)))
        return ids


def packed(departure: Departure) -> str:
    """Write a departure as JSON: values in the order of the fields, times as microseconds since 1970."""
    route = departure.route
    calls = [
        (
            call.stop_id, call.stop_name, call.timezone, call.zone_id,
            (call.arrives_at - EPOCH) // MICROSECOND, (call.departs_at - EPOCH) // MICROSECOND,
            int(call.is_boarding_allowed), int(call.is_alighting_allowed), call.distance_meters,
        )
        for call in departure.calls
    ]  # fmt: skip
    body = {
        "id": departure.id,
        "operator_id": departure.operator_id,
        "route": (route.id, route.feed_route_id, route.short_name, route.long_name, route.mode),
        "headsign": departure.headsign,
        "service_date": departure.service_date,
        "state": departure.state,
        "calls": calls,
    }
    return json.dumps(body, separators=(",", ":"), ensure_ascii=False)


def unpacked(body: str, *, version: int) -> Departure:
    """Read a departure back."""
    found: dict[str, Any] = json.loads(body)
    calls = [
        Call(
            place, stop_id, name, zone, zone_id, instant(arrives), instant(departs), bool(boards), bool(alights), meters
        )
        for place, (stop_id, name, zone, zone_id, arrives, departs, boards, alights, meters) in enumerate(
            found["calls"]
        )
    ]
    return Departure(
        id=found["id"],
        operator_id=found["operator_id"],
        route=Route(*found["route"]),
        headsign=found["headsign"],
        service_date=found["service_date"],
        state=DepartureState(found["state"]),
        calls=tuple(calls),
        version=version,
    )


def instant(microseconds: int) -> datetime:
    """Read a time back."""
    return EPOCH + timedelta(microseconds=microseconds)
