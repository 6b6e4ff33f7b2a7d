"""The migrated schema is the one that the models describe."""

from collections.abc import Iterator

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from chassis.database import Database
from chassis.migrate import migrate
from gateway.accounts.bootstrap import MIGRATIONS
from gateway.accounts.store.tables import Table


@pytest.fixture
def migrated(database_url: str) -> Iterator[Database]:
    opened = Database(database_url)
    migrate(opened, MIGRATIONS)
    yield opened
    opened.close()


def differences(migrated: Database) -> list[object]:
    with migrated.writer.begin() as connection:
        options = {"compare_type": True, "include_name": lambda name, *_: name != "alembic_version"}
        return list(compare_metadata(MigrationContext.configure(connection, opts=options), Table.metadata))


def test_the_migrated_schema_equals_the_models(migrated: Database):
    assert differences(migrated) == []


def test_a_table_that_no_migration_makes_would_be_noticed(migrated: Database):
    with migrated.writer.begin() as connection:
        connection.exec_driver_sql("DROP TABLE audit")
    assert "add_table" in {difference[0] for difference in differences(migrated)}


def test_migrating_again_changes_nothing(migrated: Database):
    migrate(migrated, MIGRATIONS)
    assert differences(migrated) == []
