"""The migrated schema is the one that the models describe."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from chassis import database, inbox, lease, outbox, replies
from chassis.database import Database
from chassis.migrate import migrate
from pricing_svc.bootstrap import MIGRATIONS, open_store
from pricing_svc.domain.fare_policy import ZoneFare
from pricing_svc.store import tables
from tests.clocks import FixedClock
from tests.pricing_svc.service import ask

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


def test_an_older_database_keeps_its_policies_and_reads_its_departures_anew(
    database_url: str, clock: FixedClock, tmp_path: Path
):
    older = tmp_path / "older"
    older.mkdir()
    shutil.copy(MIGRATIONS / "0001_first_tables.py", older)
    opened = Database(database_url)
    migrate(opened, older)
    with opened.writer.begin() as connection:
        for statement in (
            "INSERT INTO departures VALUES ('dep_1', 1, 2000000000000000, '{}')",
            "INSERT INTO rebuilds VALUES ('departures', 1)",
            "INSERT INTO fare_policies VALUES ('opr_sea', 3, 'CHF', 200, 12, 100, 0, 5,"
            """ '[["adult", 100]]', '[["Z1", "Z2", 825]]', 1)""",
        ):
            connection.exec_driver_sql(statement)
    opened.close()
    store = open_store(database_url, clock)
    assert ask(store, lambda work: work.departures.find(["dep_1"])) == {}
    assert not ask(store, lambda work: work.rebuilds.is_finished("departures"))
    kept = ask(store, lambda work: work.fare_policies.in_force(["opr_sea"])["opr_sea"])
    assert (kept.version, kept.currency, kept.feed_id, kept.is_published) == (3, "CHF", "", True)
    assert kept.zone_fares == (ZoneFare("Z1", "Z2", 825),)
    store.stop()


def test_migrating_again_changes_nothing(migrated: Database):
    migrate(migrated, MIGRATIONS)
    assert differences(migrated) == []
