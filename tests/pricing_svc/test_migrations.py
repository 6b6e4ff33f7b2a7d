"""The migrated schema is the one that the models describe."""

from collections.abc import Iterator

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from chassis import database, inbox, lease, outbox, replies
from chassis.database import Database
from chassis.migrate import migrate
from pricing_svc.bootstrap import MIGRATIONS
from pricing_svc.store import tables

CHASSIS = (inbox.InboxRow, lease.LeaseRow, outbox.OutboxRow, outbox.StreamRow, replies.ReplyRow)
METADATA = [tables.Table.metadata, database.Table.metadata]


@pytest.fixture
def migrated(database_url: str) -> Iterator[Database]:
    opened = Database(database_url)
    migrate(opened, MIGRATIONS)
    yield opened
    opened.close()


def differences(migrated: Database) -> list[object]:
    with migrated.writer.begin() as connection:
        options = {"compare_type": True, "include_name": lambda name, *_: name != "alembic_version"}
        return compare_metadata(MigrationContext.configure(connection, opts=options), METADATA)


def test_the_migrated_schema_equals_the_models(migrated: Database):
    assert {row.__tablename__ for row in CHASSIS} <= set(database.Table.metadata.tables)
    assert differences(migrated) == []


def test_a_table_that_no_migration_makes_would_be_noticed(migrated: Database):
    with migrated.writer.begin() as connection:
        connection.exec_driver_sql("DROP INDEX ix_departures_ends_at")
        connection.exec_driver_sql("DROP TABLE availabilities")
    assert {difference[0] for difference in differences(migrated)} == {"add_table", "add_index"}


def test_migrating_again_changes_nothing(migrated: Database):
    migrate(migrated, MIGRATIONS)
    assert differences(migrated) == []
