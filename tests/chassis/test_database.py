"""How databases are opened: durable, one writer, readers that only read, times that sort."""

import subprocess
import sys
import threading
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import make_url

from chassis.clock import SystemClock
from chassis.database import Database, create_if_missing
from tests.chassis.shelf import Work, add, count, create_tables, labels, names, opened, things
from tests.clocks import FixedClock

NOW = FixedClock().now()


@pytest.fixture
def database(database_url):
    opened = Database(database_url)
    create_tables(opened)
    yield opened
    opened.close()


# Times


def stored(database: Database, *times: datetime) -> list[datetime]:
    rows = [{"name": "a", "added_at": time} for time in times]
    with database.writer.begin() as connection:
        connection.execute(sa.insert(things), rows)
        return list(connection.execute(sa.select(things.c.added_at).order_by(things.c.added_at)).scalars())


def test_times_come_back_to_the_microsecond_in_order(database):
    times = [
        datetime(1, 1, 1, tzinfo=UTC),
        datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
        datetime(2030, 1, 2, 3, 4, 5, 678901, tzinfo=UTC),
        datetime(2030, 1, 2, 3, 4, 5, 678902, tzinfo=UTC),
        datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
    ]
    assert stored(database, *reversed(times)) == times


def test_a_time_of_another_zone_comes_back_as_the_same_moment_in_utc(database):
    [back] = stored(database, datetime(2030, 7, 1, 12, tzinfo=timezone(timedelta(hours=2))))
    assert back.isoformat() == "2030-07-01T10:00:00+00:00"


def test_a_time_without_a_zone_is_refused(database):
    with pytest.raises(sa.exc.StatementError, match="naive"):
        stored(database, datetime(2030, 1, 1))  # noqa: DTZ001


def test_times_are_compared_by_the_database(database):
    stored(database, NOW, NOW + timedelta(microseconds=1))
    with database.reader.begin() as connection:
        later = sa.select(sa.func.count()).where(things.c.added_at > NOW)
        assert connection.execute(later).scalar_one() == 1


# Connections


def settings(connection: sa.Connection, command: str, names: Iterable[str]) -> dict[str, Any]:
    return {name: connection.exec_driver_sql(f"{command} {name}").scalar_one() for name in names}


def test_every_sqlite_connection_is_durable_and_logs_ahead(sqlite_url):
    wanted = {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 5000}
    database = Database(sqlite_url)
    for engine in (database.writer, database.reader):
        with engine.connect() as connection:
            assert settings(connection, "PRAGMA", wanted) == wanted
    database.close()


def test_every_postgresql_connection_is_durable_and_bounded(postgresql_url):
    wanted = {"synchronous_commit": "on", "TimeZone": "UTC", "lock_timeout": "2s", "statement_timeout": "5s"}
    database = Database(postgresql_url)
    for engine in (database.writer, database.reader):
        with engine.connect() as connection:
            assert settings(connection, "SHOW", wanted) == wanted
    database.close()


def test_read_connections_cannot_write(database):
    with pytest.raises(sa.exc.DBAPIError, match=r"readonly|read-only"), database.reader.begin() as connection:
        add(Work(connection, NOW), name="a")
    with database.writer.begin() as connection:
        assert count(Work(connection, NOW)) == 0


async def test_a_query_sees_one_moment_however_many_statements_it_has(database_url, clock):
    has_read, has_written = threading.Event(), threading.Event()

    def count_twice(work: Work) -> tuple[int, int]:
        first = count(work)
        has_read.set()
        assert has_written.wait(10)
        return first, count(work)

    def write(store) -> None:
        assert has_read.wait(10)
        with store.database.writer.begin() as connection:
            add(Work(connection, clock.now()), name="a")
        has_written.set()

    with opened(database_url, clock) as store, ThreadPoolExecutor(1) as thread:
        written = thread.submit(write, store)
        assert await store.read(count_twice) == (0, 0)
        written.result()
        assert await store.read(count) == 1


def test_a_failed_commit_leaves_no_transaction_open(database):
    with database.writer.connect() as connection:
        connection.begin()
        add(Work(connection, NOW), name="a")
        sa.event.listen(database.writer, "commit", lambda _: 1 / 0, once=True)
        with pytest.raises(ZeroDivisionError):
            connection.commit()
    with database.writer.begin() as connection:
        assert names(Work(connection, NOW)) == []


# Thirty customers, ten seats


def sell_ten_to_thirty(database: Database) -> tuple[int, list[str]]:
    """Let thirty threads look and then write, as many as there are to see; return the sold and the errors."""
    database.writer.pool._max_overflow = 29  # the writer has one connection; this test has thirty
    start, both_look = threading.Barrier(30), threading.Barrier(2)

    def buy(customer: int) -> str | None:
        start.wait(10)
        try:
            with database.writer.begin() as connection:
                work = Work(connection, NOW)
                is_free = count(work) < 10
                # Two that may look at once do, however fast the disk is; where one waits outside, the other goes on.
                with suppress(threading.BrokenBarrierError):
                    both_look.wait(0.2)
                if is_free:
                    add(work, name=f"{customer}")
        except sa.exc.OperationalError as error:
            return str(error.orig)
        return None

    with ThreadPoolExecutor(30) as customers:
        errors = [error for error in customers.map(buy, range(30)) if error]
    with database.reader.begin() as connection:
        return count(Work(connection, NOW)), errors


def test_transactions_that_take_their_lock_at_the_beginning_sell_ten_seats_to_thirty(sqlite_url):
    database = Database(sqlite_url)
    create_tables(database)
    assert sell_ten_to_thirty(database) == (10, [])
    database.close()


def test_without_the_guard_they_oversell_or_fail(sqlite_url, monkeypatch):
    """Show that the test before this one would notice."""
    monkeypatch.setenv("HEADWAY_FAULTS_OFF", "begin_immediate")
    database = Database(sqlite_url)
    create_tables(database)
    sold, errors = sell_ten_to_thirty(database)
    assert sold != 10 or errors
    database.close()


# Files and servers


OPEN = "import sys; from chassis.database import Database; Database(sys.argv[1]).close(); print('opened')"


def open_elsewhere(url: str) -> subprocess.CompletedProcess[str]:
    root = Path(__file__).parents[2]
    return subprocess.run([sys.executable, "-c", OPEN, url], cwd=root, capture_output=True, text=True, check=False)


def test_a_second_process_is_kept_off_a_sqlite_file_in_plain_words(sqlite_url):
    database = Database(sqlite_url)
    refused = open_elsewhere(sqlite_url)
    assert refused.returncode == 1
    assert refused.stderr == f"Another process uses {database.url.database}. One process at a time may write it.\n"
    database.close()
    database.close()
    assert open_elsewhere(sqlite_url).stdout == "opened\n"


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:"])
def test_a_database_in_memory_is_refused_in_plain_words(url):
    with pytest.raises(SystemExit, match="needs a file"):
        Database(url)


def test_a_missing_postgresql_database_is_created_whoever_else_tries(postgres_url):
    name = f"Head way {id(object())}"
    url = make_url(postgres_url).set(database=name).render_as_string(hide_password=False)
    admin = sa.create_engine(make_url(postgres_url).set(drivername="postgresql+psycopg"), isolation_level="AUTOCOMMIT")
    try:
        with ThreadPoolExecutor(8) as replicas:
            for created in [replicas.submit(create_if_missing, url) for _ in range(8)]:
                created.result()
        database = Database(url)
        create_tables(database)
        create_if_missing(url)
        with database.writer.begin() as connection:
            connection.execute(sa.insert(labels), {"name": "kept"})
        database.close()
    finally:
        with admin.connect() as connection:
            connection.exec_driver_sql(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        admin.dispose()


async def test_a_database_that_is_closed_answers_no_more(sqlite_url):
    with opened(sqlite_url, SystemClock()) as store:
        store.start()
    with pytest.raises(RuntimeError):
        await store.read(count)
