"""Rows of feeds: what was asked and became of them, their content, and the trips that departures are laid out from."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa
from pydantic import TypeAdapter
from sqlalchemy.engine import Connection

from booking_svc.domain.feed import FeedTrip, Frequency, ServiceCalendar
from booking_svc.domain.feed_import import UNFINISHED, Feed, FeedState
from booking_svc.store.tables import FeedContentRow, FeedRow, FeedServiceRow, FeedTripRow
from chassis.database import table_of
from chassis.errors import NotFound

FEEDS, CONTENTS = table_of(FeedRow), table_of(FeedContentRow)
SERVICES, TRIPS = table_of(FeedServiceRow), table_of(FeedTripRow)
FEED, CALENDAR = TypeAdapter(Feed), TypeAdapter(ServiceCalendar)
FREQUENCIES = TypeAdapter(tuple[Frequency, ...])


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
        query = sa.select(FEEDS).where(FEEDS.c.is_on_sale)
        feeds = map(read_feed, self._connection.execute(query.order_by(FEEDS.c.created_at, FEEDS.c.id)))
        return list({feed.options.operator_id: feed for feed in feeds}.values())

    def save(self, feed: Feed) -> None:
        """Insert a feed or replace what was known of it."""
        values = {
            "id": feed.id,
            "operator_id": feed.options.operator_id,
            "state": feed.state,
            "is_on_sale": feed.state is FeedState.PUBLISHED and not feed.options.is_dry_run,
            "created_at": feed.created_at,
            "body": FEED.dump_json(feed).decode(),
        }
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
            {"feed_id": feed_id, "service_id": one.service_id, "calendar": CALENDAR.dump_json(one).decode()}
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
                "frequencies": FREQUENCIES.dump_json(one.trip.frequencies).decode(),
            }
            for one in staged
        ]
        if rows:
            self._connection.execute(sa.insert(TRIPS), rows)

    def services(self, feed_id: str) -> dict[str, ServiceCalendar]:
        """Read the calendars of a feed."""
        rows = self._connection.execute(sa.select(SERVICES).where(SERVICES.c.feed_id == feed_id))
        return {row.service_id: CALENDAR.validate_json(row.calendar) for row in rows}

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
        has_left = sa.or_(*(sa.exists().where(table.c.feed_id == FEEDS.c.id) for table in (CONTENTS, TRIPS, SERVICES)))
        waiting = sa.or_(
            FEEDS.c.state.in_(UNFINISHED),
            sa.and_(FEEDS.c.state == FeedState.RECEIVING, FEEDS.c.created_at > received_before),
        )
        unused = sa.select(FEEDS.c.id).where(FEEDS.c.id.not_in(current), sa.not_(waiting), has_left)
        return list(self._connection.execute(unused.order_by(FEEDS.c.id)).scalars())


def read_feed(row: Any) -> Feed:
    return FEED.validate_json(row.body)


def read_trip(row: Any) -> StagedTrip:
    start, frequencies = row.start_seconds, FREQUENCIES.validate_json(row.frequencies)
    trip = FeedTrip(row.feed_trip_id, "", row.service_id, row.headsign, row.timezone, 0, start, frequencies)
    return StagedTrip(trip, row.route_id, row.pattern_id)
