"""Rows of feeds: what was asked and became of them, their content, and the trips that departures are laid out from."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import date, datetime
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from booking_svc.domain.feed import FeedTrip, Frequency, ServiceCalendar
from booking_svc.domain.feed_import import (
    UNFINISHED,
    FareRule,
    Feed,
    FeedChanges,
    FeedCounts,
    FeedFares,
    FeedOptions,
    FeedProblem,
    FeedProgress,
    FeedReport,
    FeedState,
)
from booking_svc.store.tables import FeedContentRow, FeedRow, FeedServiceRow, FeedTripRow
from chassis.database import table_of
from chassis.errors import NotFound

FEEDS, CONTENTS = table_of(FeedRow), table_of(FeedContentRow)
SERVICES, TRIPS = table_of(FeedServiceRow), table_of(FeedTripRow)


class StagedTrip(NamedTuple):
    """A trip with the ids of its route and its pattern."""

    trip: FeedTrip
    route_id: str
    pattern_id: str


class Feeds:
    """The feeds of one open transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def find(self, feed_id: str) -> Feed | None:
        """Read a feed, if there is one."""
        row = self._connection.execute(sa.select(FEEDS).where(FEEDS.c.id == feed_id)).first()
        return None if row is None else read_feed(row)

    def get(self, feed_id: str) -> Feed:
        """Read a feed that must exist."""
        if (found := self.find(feed_id)) is None:
            raise NotFound(feed_id=feed_id)
        return found

    def unfinished(self) -> list[Feed]:
        """Read the feeds that wait for their import or are in it, the oldest first."""
        query = sa.select(FEEDS).where(FEEDS.c.state.in_(UNFINISHED)).order_by(FEEDS.c.created_at, FEEDS.c.id)
        return [read_feed(row) for row in self._connection.execute(query)]

    def on_sale(self) -> list[Feed]:
        """Read the newest published feed of each operator."""
        query = sa.select(FEEDS).where(FEEDS.c.state == FeedState.PUBLISHED, FEEDS.c.on_sale_until != "")
        feeds = map(read_feed, self._connection.execute(query.order_by(FEEDS.c.created_at, FEEDS.c.id)))
        return list({feed.options.operator_id: feed for feed in feeds}.values())

    def save(self, feed: Feed) -> None:
        """Insert a feed or replace what was known of it."""
        values = write_feed(feed)
        if not self._connection.execute(sa.update(FEEDS).where(FEEDS.c.id == feed.id).values(values)).rowcount:
            self._connection.execute(sa.insert(FEEDS), values)

    def add_content(self, feed_id: str, position: int, content: bytes) -> None:
        self._connection.execute(
            sa.insert(CONTENTS), {"feed_id": feed_id, "position": position, "content": content}
        )  # fmt: skip

    def content(self, feed_id: str, position: int) -> bytes | None:
        """Read a piece of a feed's zip; None behind the last."""
        columns = CONTENTS.c
        piece = sa.select(columns.content).where(columns.feed_id == feed_id, columns.position == position)
        found: bytes | None = self._connection.execute(piece).scalar()
        return found

    def drop_content(self, feed_id: str, *, limit: int) -> int:
        """Delete some pieces of a feed's zip; return how many."""
        columns = CONTENTS.c
        some = sa.select(columns.position).where(columns.feed_id == feed_id).limit(limit)
        gone = sa.delete(CONTENTS).where(columns.feed_id == feed_id, columns.position.in_(some))
        return self._connection.execute(gone).rowcount

    def stage_services(self, feed_id: str, services: Iterable[ServiceCalendar]) -> None:
        rows = [
            {
                "feed_id": feed_id,
                "service_id": one.service_id,
                "calendar": json.dumps(
                    [one.weekdays, one.start_date, one.end_date, sorted(one.added), sorted(one.removed)], default=str
                ),
            }
            for one in services
        ]
        if rows:
            self._connection.execute(sa.insert(SERVICES), rows)

    def stage_trips(self, feed_id: str, staged: Sequence[StagedTrip]) -> None:
        rows = [
            {
                "feed_id": feed_id,
                "feed_trip_id": one.trip.feed_trip_id,
                "service_id": one.trip.service_id,
                "route_id": one.route_id,
                "pattern_id": one.pattern_id,
                "headsign": one.trip.headsign,
                "timezone": one.trip.timezone,
                "start_seconds": one.trip.start_seconds,
                "frequencies": json.dumps([list(asdict(frequency).values()) for frequency in one.trip.frequencies]),
            }
            for one in staged
        ]
        if rows:
            self._connection.execute(sa.insert(TRIPS), rows)

    def services(self, feed_id: str) -> dict[str, ServiceCalendar]:
        """Read the calendars of a feed."""
        rows = self._connection.execute(sa.select(SERVICES).where(SERVICES.c.feed_id == feed_id))
        return {row.service_id: read_calendar(row.service_id, row.calendar) for row in rows}

    def trips(self, feed_id: str) -> list[StagedTrip]:
        """Read the trips of a feed."""
        rows = self._connection.execute(sa.select(TRIPS).where(TRIPS.c.feed_id == feed_id))
        return [read_trip(row) for row in rows]

    def drop_staged(self, feed_id: str, *, limit: int) -> int:
        """Delete some trips of a feed that departures are laid out from no more, then its calendars."""
        columns = TRIPS.c
        some = sa.select(columns.feed_trip_id).where(columns.feed_id == feed_id).limit(limit)
        gone = sa.delete(TRIPS).where(columns.feed_id == feed_id, columns.feed_trip_id.in_(some))
        if count := self._connection.execute(gone).rowcount:
            return count
        return self._connection.execute(sa.delete(SERVICES).where(SERVICES.c.feed_id == feed_id)).rowcount

    def spent(self, *, received_before: datetime) -> list[str]:
        """List feeds that have content or trips which nobody will use: replaced, rejected or never wholly received."""
        current = [feed.id for feed in self.on_sale()]
        staged = sa.union(sa.select(CONTENTS.c.feed_id), sa.select(TRIPS.c.feed_id), sa.select(SERVICES.c.feed_id))
        waiting = sa.or_(
            FEEDS.c.state.in_(UNFINISHED),
            sa.and_(FEEDS.c.state == FeedState.RECEIVING, FEEDS.c.created_at > received_before),
        )
        unused = sa.select(FEEDS.c.id).where(FEEDS.c.id.in_(staged), FEEDS.c.id.not_in(current), sa.not_(waiting))
        return list(self._connection.execute(unused.order_by(FEEDS.c.id)).scalars())


def write_feed(feed: Feed) -> dict[str, object]:
    """Turn a feed into a row's values."""
    return {
        "id": feed.id,
        "operator_id": feed.options.operator_id,
        "state": feed.state,
        "options": json.dumps(asdict(feed.options), default=str),
        "report": json.dumps(asdict(feed.report)),
        "fares": json.dumps(asdict(feed.fares)) if feed.fares else "",
        "on_sale_until": feed.on_sale_until.isoformat() if feed.on_sale_until else "",
        "created_at": feed.created_at,
        "version": feed.version,
    }


def read_feed(row: Any) -> Feed:
    """Turn a row into a feed."""
    options, report = json.loads(row.options), json.loads(row.report)
    fares = json.loads(row.fares) if row.fares else None
    return Feed(
        row.id,
        FeedOptions(**options | {"first_day": day(options["first_day"]), "lay_on": day(options["lay_on"])}),
        FeedState(row.state),
        row.created_at,
        read_report(report),
        FeedFares(fares["currency"], tuple(FareRule(**rule) for rule in fares["rules"])) if fares else None,
        day(row.on_sale_until),
        row.version,
    )


def read_report(report: dict[str, Any]) -> FeedReport:
    """Read what has been found out of a feed."""
    progress = report["progress"]
    return FeedReport(
        FeedCounts(**report["counts"]),
        FeedChanges(**report["changes"]),
        tuple(FeedProblem(**problem) for problem in report["problems"]),
        report["problems_total"],
        tuple(report["withheld_departure_ids"]),
        FeedProgress(**progress) if progress else None,
    )


def day(text: str | None) -> Any:
    """Read a date, if there is one."""
    return date.fromisoformat(text) if text else None


def read_calendar(service_id: str, calendar: str) -> ServiceCalendar:
    weekdays, start, end, added, removed = json.loads(calendar)
    exceptions = (frozenset(map(date.fromisoformat, days)) for days in (added, removed))
    return ServiceCalendar(service_id, tuple(weekdays), day(start), day(end), *exceptions)


def read_trip(row: Any) -> StagedTrip:
    frequencies = tuple(Frequency(*frequency) for frequency in json.loads(row.frequencies))
    trip = FeedTrip(
        row.feed_trip_id, "", row.service_id, row.headsign, row.timezone, 0, row.start_seconds, frequencies
    )  # fmt: skip
    return StagedTrip(trip, row.route_id, row.pattern_id)
