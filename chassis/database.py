"""One place that opens databases: SQLite or PostgreSQL, one connection that writes, a few that read."""

import fcntl
import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import URL, Connection, Engine, make_url
from sqlalchemy.orm import registry
from sqlmodel import SQLModel

from chassis.errors import Unavailable
from chassis.faults import is_guard_off
from chassis.logs import EventLog
from chassis.transaction import watch

try:
    import pysqlite3 as sqlite_driver
except ImportError:  # no wheel for this platform: the interpreter's own SQLite
    sqlite_driver = sqlite3

log = EventLog(__name__)

SQLITE_SAFE_VERSION = (3, 51, 3)
"""Before it, two connections could corrupt a write-ahead log. https://sqlite.org/releaselog/3_51_3.html"""

READERS = 4
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
POSTGRES_OPTIONS = (
    "-c timezone=UTC -c lock_timeout=2s -c statement_timeout=5s"
    " -c idle_in_transaction_session_timeout=10s -c synchronous_commit=on"
)
POSTGRES_READER_OPTIONS = " -c default_transaction_read_only=on -c default_transaction_isolation=repeatable\\ read"
POSTGRES_LIMITS = {
    "connect_timeout": 5,
    # A server that vanished without a word must not hold the writer for the system's quarter of an hour.
    "tcp_user_timeout": 10_000,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
}
UNAVAILABLE = (sa.exc.OperationalError, sa.exc.InterfaceError, sa.exc.TimeoutError)
"""What a database raises that cannot work at the moment."""


class Instant(sa.TypeDecorator[datetime]):
    """An aware UTC time as whole microseconds since 1970: sorts, compares and reads alike on both databases."""

    impl = sa.BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> int | None:
        return None if value is None else (value - EPOCH) // timedelta(microseconds=1)

    def process_result_value(self, value: int | None, dialect: sa.Dialect) -> datetime | None:
        return None if value is None else EPOCH + timedelta(microseconds=value)


class Table(SQLModel, registry=registry()):
    """The tables that every service has; each service's own have a registry of their own."""


def table_of(model: type[SQLModel]) -> sa.Table:
    """Return the table behind a table model, for statements that need no objects."""
    found: sa.Table = model.__table__  # type: ignore[attr-defined]
    return found


class Database:
    """The engines of one database and the lock that keeps a second process off a SQLite file."""

    def __init__(self, url: str, *, readers: int = READERS) -> None:
        self.url = make_url(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self._lock = lock_file(self.url) if self.is_sqlite else None
        if not self.is_sqlite:
            self.url = self.url.set(drivername="postgresql+psycopg")
        begin = "BEGIN" if is_guard_off("begin_immediate") else "BEGIN IMMEDIATE"
        self.writer = self._open(pool_size=1, begin=begin)
        self.reader = self._open(pool_size=readers, begin="BEGIN", is_read_only=True)

    def close(self) -> None:
        self.reader.dispose()
        self.writer.dispose()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _open(self, *, pool_size: int, begin: str, is_read_only: bool = False) -> Engine:
        pool = {"poolclass": sa.QueuePool, "pool_size": pool_size, "max_overflow": 0, "pool_timeout": 5}
        if self.is_sqlite:
            engine = sa.create_engine(self.url, module=sqlite_driver, **pool)
            watch(engine)
            prepare_sqlite(engine, begin=begin, is_read_only=is_read_only)
        else:
            options = POSTGRES_OPTIONS + (POSTGRES_READER_OPTIONS if is_read_only else "")
            arguments = {"options": options, **POSTGRES_LIMITS}
            # A ping each time replaces a connection that died while idle, so that a restart fails nobody.
            engine = sa.create_engine(self.url, connect_args=arguments, pool_pre_ping=True, **pool)
            watch(engine)
            sa.event.listen(engine, "do_executemany", copy_in)
        sa.event.listen(engine, "reset", end_transaction)
        return engine


def copy_in(cursor: Any, _statement: str, rows: Sequence[dict[str, Any]], context: Any) -> bool:
    """Insert rows that waited by COPY, at a third of what as many INSERTs cost; say whether they were such rows."""
    if not context.execution_options.get("only_inserts"):
        return False
    table = context.compiled.statement.table.name
    with cursor.copy(f"COPY {table} ({', '.join(rows[0])}) FROM STDIN") as copy:
        for row in rows:
            copy.write_row(tuple(row.values()))
    return True


def end_transaction(connection: Any, _record: object, _state: object) -> None:
    """Roll back whatever is open: SQLAlchemy takes a failed commit for an end, SQLite keeps the transaction."""
    connection.rollback()


def prepare_sqlite(engine: Engine, *, begin: str, is_read_only: bool) -> None:
    """Make every connection durable and every transaction take its lock when it begins."""
    if sqlite_driver.sqlite_version_info < SQLITE_SAFE_VERSION:
        log.warning("old_sqlite", version=sqlite_driver.sqlite_version, wanted="3.51.3")
    synchronous = "OFF" if is_guard_off("sync") else "FULL"

    @sa.event.listens_for(engine, "connect")
    def configure(connection: Any, _record: object) -> None:
        connection.isolation_level = None
        for pragma in ("journal_mode=WAL", f"synchronous={synchronous}", "busy_timeout=5000", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}")
        if is_read_only:
            connection.execute("PRAGMA query_only=ON")

    @sa.event.listens_for(engine, "begin")
    def start(connection: Connection) -> None:
        connection.exec_driver_sql(begin)


def lock_file(url: URL) -> int:
    """Take the lock beside a SQLite file, or refuse in plain words."""
    if not url.database or url.database == ":memory:":
        raise SystemExit("A SQLite database needs a file: its tables must survive and be seen by every connection.")
    Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(f"{url.database}.lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        raise SystemExit(f"Another process uses {url.database}. One process at a time may write it.") from None
    return handle


def create_if_missing(url: str) -> None:
    """Create a PostgreSQL database that does not exist yet, if the role may."""
    target = make_url(url).set(drivername="postgresql+psycopg")
    admin = sa.create_engine(target.set(database="postgres"), isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    known = sa.text("SELECT 1 FROM pg_database WHERE datname = :name").bindparams(name=target.database)
    name = admin.dialect.identifier_preparer.quote(str(target.database))
    with admin.connect() as connection:
        if connection.execute(known).first() is not None:
            return
        try:
            connection.exec_driver_sql(f"CREATE DATABASE {name}")
        except sa.exc.DBAPIError:
            # Another replica may have been quicker.
            if connection.execute(known).first() is None:
                raise


@contextmanager
def answering_unavailable() -> Iterator[None]:
    """Turn a database that cannot work at the moment into an answer that says so."""
    try:
        yield
    except UNAVAILABLE as error:
        log.warning("database_unavailable", cause=type(error.__cause__ or error).__name__)
        raise Unavailable(dependency="database") from error
