"""Migrations: each revision once, whoever starts at the same time, and never backwards."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa

from chassis.database import Database
from chassis.migrate import LOCK_NUMBER, migrate
from tests import servers

ROOT = Path(__file__).parents[2]
FIRST = """
from alembic import op
import sqlalchemy as sa

revision = "0001"
down_revision = None


def upgrade():
    op.create_table("ships", sa.Column("name", sa.String, primary_key=True))
    op.execute("INSERT INTO ships VALUES ('Asta')")
"""
SECOND = """
from alembic import op
import sqlalchemy as sa

revision = "0002"
down_revision = "0001"


def upgrade():
    op.add_column("ships", sa.Column("seats", sa.Integer, nullable=False, server_default="50"))
    op.execute("INSERT INTO ships (name) VALUES ('Bore')")
"""
FAILING = """
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade():
    op.execute("INSERT INTO ships (name) VALUES ('Ceres')")
    op.execute("INSERT INTO nowhere VALUES (1)")
"""
LIMITS = """
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade():
    for name in ("lock_timeout", "statement_timeout"):
        op.execute(f"INSERT INTO ships SELECT '{name} ' || current_setting('{name}')")
"""


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "ferry_svc" / "store" / "migrations"
    folder.mkdir(parents=True)
    (folder / "0001_ships.py").write_text(FIRST)
    return folder


@pytest.fixture
def database(database_url):
    database = Database(database_url)
    yield database
    database.close()


def read(database: Database, statement: str) -> list[tuple[object, ...]]:
    with database.reader.connect() as connection:
        return [tuple(row) for row in connection.execute(sa.text(statement))]


def test_an_empty_database_gets_everything_in_order(database, folder):
    (folder / "0002_seats.py").write_text(SECOND)
    migrate(database, folder)
    assert read(database, "SELECT name, seats FROM ships ORDER BY name") == [("Asta", 50), ("Bore", 50)]
    assert read(database, "SELECT version_num FROM alembic_version") == [("0002",)]


def test_a_database_gets_what_it_lacks_and_nothing_twice(database, folder):
    migrate(database, folder)
    migrate(database, folder)
    assert read(database, "SELECT name FROM ships") == [("Asta",)]
    (folder / "0002_seats.py").write_text(SECOND)
    migrate(database, folder)
    migrate(database, folder)
    assert read(database, "SELECT name, seats FROM ships ORDER BY name") == [("Asta", 50), ("Bore", 50)]
    assert read(database, "SELECT version_num FROM alembic_version") == [("0002",)]


def test_a_revision_that_fails_leaves_the_database_as_it_was(database, folder):
    migrate(database, folder)
    (folder / "0002_seats.py").write_text(SECOND)
    (folder / "0003_nowhere.py").write_text(FAILING)
    with pytest.raises(sa.exc.DBAPIError):
        migrate(database, folder)
    assert read(database, "SELECT * FROM ships") == [("Asta",)]
    assert read(database, "SELECT version_num FROM alembic_version") == [("0001",)]


def test_a_database_of_a_newer_version_is_refused_in_plain_words_and_left_alone(database, folder):
    (folder / "0002_seats.py").write_text(SECOND)
    migrate(database, folder)
    (folder / "0002_seats.py").unlink()
    with pytest.raises(SystemExit) as end:
        migrate(database, folder)
    assert "database of ferry_svc is at revision 0002" in str(end.value)
    assert "newer version" in str(end.value)
    assert len(read(database, "SELECT * FROM ships")) == 2


MIGRATE = (
    "import sys; from pathlib import Path; from chassis.database import Database; from chassis.migrate import migrate"
)
MIGRATE += "; database = Database(sys.argv[1]); migrate(database, Path(sys.argv[2])); database.close()"


def test_of_many_processes_that_start_at_once_one_migrates_and_the_others_find_it_done(postgresql_url, folder):
    slow = FIRST.replace("def upgrade():", 'def upgrade():\n    op.execute("SELECT pg_sleep(0.5)")')
    (folder / "0001_ships.py").write_text(slow)
    (folder / "0002_seats.py").write_text(SECOND)
    command = [sys.executable, "-c", MIGRATE, postgresql_url, folder]
    processes = [subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) for _ in range(4)]
    errors = [process.communicate(timeout=60)[1] for process in processes]
    assert [process.returncode for process in processes] == [0] * 4, errors
    database = Database(postgresql_url)
    assert read(database, "SELECT name FROM ships ORDER BY name") == [("Asta",), ("Bore",)]
    database.close()


def test_who_waits_for_another_to_migrate_waits_longer_than_a_lock_may_take_otherwise(postgresql_url, folder):
    database = Database(postgresql_url)
    with psycopg.connect(postgresql_url) as other, ThreadPoolExecutor() as threads:
        other.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK_NUMBER])
        migrating = threads.submit(migrate, database, folder)
        with pytest.raises(TimeoutError):
            migrating.result(2.3)
        other.commit()
        migrating.result(10)
    assert read(database, "SELECT name FROM ships") == [("Asta",)]
    database.close()


def test_a_migration_may_take_its_time_and_afterwards_statements_have_their_limits_again(postgresql_url, folder):
    (folder / "0002_limits.py").write_text(LIMITS)
    database = Database(postgresql_url)
    migrate(database, folder)
    found = {name for (name,) in read(database, "SELECT name FROM ships")}
    assert found == {"Asta", "lock_timeout 0", "statement_timeout 0"}
    with database.writer.connect() as connection:
        names = ("lock_timeout", "statement_timeout")
        assert [connection.execute(sa.text(f"SHOW {name}")).scalar_one() for name in names] == ["2s", "5s"]
    database.close()


@pytest.fixture
def mortal_postgresql():
    """A server of the test's own, to be stopped."""
    binaries = servers.postgres_binaries()
    if binaries is None:
        pytest.skip("no PostgreSQL")
    with servers.postgres_server(binaries) as server:
        yield server


def test_a_database_that_is_starting_is_waited_for(mortal_postgresql, folder):
    mortal_postgresql.kill()
    database = Database(mortal_postgresql.url)
    with ThreadPoolExecutor(1) as thread:
        migrating = thread.submit(migrate, database, folder)
        mortal_postgresql.start_again()
        migrating.result(timeout=30)
    database.close()


def test_a_database_that_stays_away_is_told_in_a_sentence(mortal_postgresql, folder, monkeypatch):
    mortal_postgresql.kill()
    monkeypatch.setattr("chassis.migrate.PATIENCE_SECONDS", 0.0)
    database = Database(mortal_postgresql.url)
    with pytest.raises(SystemExit, match="The database does not let us in: "):
        migrate(database, folder)
    database.close()
