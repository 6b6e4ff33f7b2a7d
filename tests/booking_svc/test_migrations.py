"""A migrated database is what the models say, on both kinds."""

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from booking_svc.bootstrap import MIGRATIONS
from booking_svc.store import tables
from chassis import database as chassis_database
from chassis import inbox, lease, outbox, replies
from chassis.database import Database
from chassis.migrate import migrate

CHASSIS_TABLES = (inbox.InboxRow, lease.LeaseRow, outbox.OutboxRow, outbox.StreamRow, replies.ReplyRow)


def migrated(url: str) -> Database:
    database = Database(url)
    migrate(database, MIGRATIONS)
    return database


def test_migrating_leaves_nothing_that_the_models_would_change(database_url: str) -> None:
    assert {row.__tablename__ for row in CHASSIS_TABLES} == set(chassis_database.Table.metadata.tables)
    database = migrated(database_url)
    try:
        with database.writer.connect() as connection:
            context = MigrationContext.configure(
                connection, opts={"compare_type": True, "compare_server_default": True}
            )
            wanted = [chassis_database.Table.metadata, tables.Table.metadata]
            found = [one for one in compare_metadata(context, wanted) if "alembic_version" not in str(one)]
        assert found == []
    finally:
        database.close()


def test_partial_indexes_are_partial(database_url: str) -> None:
    database = migrated(database_url)
    try:
        found = {
            name: index["dialect_options"]
            for table in ("bookings", "items", "departures", "outbox")
            for index in sa.inspect(database.writer).get_indexes(table)
            if (name := str(index["name"])) in PARTIAL
        }
        kind = "sqlite" if database.is_sqlite else "postgresql"
        conditions = {name: str(options[f"{kind}_where"]) for name, options in found.items()}
        assert {name: PARTIAL[name] in condition for name, condition in conditions.items()} == dict.fromkeys(
            PARTIAL, True
        )
    finally:
        database.close()


PARTIAL = {
    "bookings_expiring": "expires_at IS NOT NULL",
    "items_expiring": "expires_at IS NOT NULL",
    "departures_by_trip": "feed_trip_id",
    "outbox_unpublished": "published_at IS NULL",
}


def test_migrating_twice_changes_nothing(database_url: str) -> None:
    migrated(database_url).close()
    database = migrated(database_url)
    try:
        with database.writer.connect() as connection:
            revisions = connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalars().all()
        assert revisions == ["0004"]
    finally:
        database.close()


def test_a_database_of_a_newer_version_is_refused_in_plain_words(database_url: str) -> None:
    database = migrated(database_url)
    try:
        with database.writer.begin() as connection:
            connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
        with pytest.raises(SystemExit, match=r"booking_svc is at revision 9999.*newer version"):
            migrate(database, MIGRATIONS)
    finally:
        database.close()
