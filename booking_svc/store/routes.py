"""Rows of routes."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from booking_svc.domain.departure import Mode, Route
from booking_svc.store.tables import DepartureRow, RouteRow
from chassis.database import table_of

ROUTES, DEPARTURES = table_of(RouteRow), table_of(DepartureRow)


class OwnedRoute(NamedTuple):
    """A route, whose it is, and the patterns that its departures follow."""

    route: Route
    operator_id: str
    pattern_ids: list[str]


class Routes:
    """The routes of one open transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def save(self, routes: Iterable[Route], *, operator_id: str) -> None:
        """Insert routes or bring them up to date."""
        wanted = {route.id: asdict(route) | {"operator_id": operator_id} for route in routes}
        known = set(self._connection.execute(sa.select(ROUTES.c.id).where(ROUTES.c.id.in_(wanted))).scalars())
        for route_id in known:
            self._connection.execute(sa.update(ROUTES).where(ROUTES.c.id == route_id).values(wanted[route_id]))
        if added := [row for route_id, row in wanted.items() if route_id not in known]:
            self._connection.execute(sa.insert(ROUTES), added)

    def get_many(self, route_ids: Iterable[str]) -> dict[str, Route]:
        """Read those of some routes that exist."""
        rows = self._connection.execute(sa.select(ROUTES).where(ROUTES.c.id.in_(list(route_ids))))
        return {row.id: read_route(row) for row in rows}

    def page(self, *, operator_id: str, after: str, limit: int) -> list[OwnedRoute]:
        """Read routes in order of their ids."""
        query = sa.select(ROUTES).where(ROUTES.c.id > after)
        if operator_id:
            query = query.where(ROUTES.c.operator_id == operator_id)
        rows: Sequence[Any] = self._connection.execute(query.order_by(ROUTES.c.id).limit(limit)).all()
        patterns: dict[str, list[str]] = {row.id: [] for row in rows}
        used = sa.select(DEPARTURES.c.route_id, DEPARTURES.c.pattern_id).where(DEPARTURES.c.route_id.in_(patterns))
        for route_id, pattern_id in self._connection.execute(used.distinct().order_by(DEPARTURES.c.pattern_id)):
            patterns[route_id].append(pattern_id)
        return [OwnedRoute(read_route(row), row.operator_id, patterns[row.id]) for row in rows]


def read_route(row: Any, prefix: str = "") -> Route:
    """Read a route from a row whose columns may begin with a prefix."""
    id_, feed_route_id, short_name, long_name, mode = (
        getattr(row, prefix + name) for name in ("id", "feed_route_id", "short_name", "long_name", "mode")
    )
    return Route(id_, feed_route_id, short_name, long_name, Mode(mode))
