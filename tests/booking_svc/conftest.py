import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql
from sqlalchemy.engine import make_url

from booking_svc.store.work import Work
from chassis.store import Store
from tests.booking_svc import builders, service
from tests.booking_svc.payments import Provider
from tests.clocks import FixedClock


@pytest.fixture(scope="session")
def migrated_sqlite_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database as it is after the first start, to be copied."""
    path = tmp_path_factory.mktemp("migrated") / "booking.db"
    with builders.opened(f"sqlite:///{path}", FixedClock()):
        pass
    return path


@pytest.fixture(scope="session")
def migrated_postgresql_url(postgres_url: str) -> Iterator[str]:
    """A database as it is after the first start; who uses it leaves it empty."""
    name = f"headway_{uuid4().hex}"
    url = make_url(postgres_url).set(database=name).render_as_string(hide_password=False)
    with psycopg.connect(postgres_url, autocommit=True) as admin:
        admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        with builders.opened(url, FixedClock()):
            pass
        yield url
        admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture
def ready_sqlite_url(migrated_sqlite_file: Path, tmp_path: Path) -> str:
    shutil.copy(migrated_sqlite_file, tmp_path / "booking.db")
    return f"sqlite:///{tmp_path}/booking.db"


@pytest.fixture
def ready_postgresql_url(migrated_postgresql_url: str) -> Iterator[str]:
    """Rows are deleted afterwards: a database of its own for each test would take most of the suite's time."""
    yield migrated_postgresql_url
    with psycopg.connect(migrated_postgresql_url, options="-c lock_timeout=5s") as connection:
        tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
        for (table,) in tables:
            if table != "alembic_version":
                connection.execute(sql.SQL("DELETE FROM {}").format(sql.Identifier(table)))


@pytest.fixture(params=["sqlite", "postgresql"])
def ready_url(request: pytest.FixtureRequest) -> str:
    """A migrated database without a row; the test runs on both kinds."""
    return request.getfixturevalue(f"ready_{request.param}_url")


@pytest.fixture
def store(ready_url: str, clock: FixedClock) -> Iterator[Store[Work]]:
    """A store on each kind of database, its writer not running."""
    with builders.opened(ready_url, clock) as opened:
        yield opened


@pytest.fixture(scope="session")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    """The payment provider that tests share; break only `mortal_provider`."""
    running = Provider(tmp_path_factory.mktemp("payments") / "ledger.sqlite")
    running.start()
    yield running
    running.kill()


@pytest.fixture
def mortal_provider(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Provider]:
    """A payment provider of the test's own, not yet started; the parameter is where it kills itself."""
    own = Provider(tmp_path / "ledger.sqlite", fault=getattr(request, "param", ""))
    yield own
    own.kill()


@pytest.fixture
def keys_dir(tmp_path: Path) -> Path:
    return tmp_path / "keys"


@pytest.fixture
async def booking(
    ready_url: str, keys_dir: Path, provider: Provider, clock: FixedClock
) -> AsyncIterator[service.Booking]:
    """The whole service on each kind of database, without a broker, with the provider that tests share."""
    async with service.serving(service.settings(ready_url, keys_dir, provider.url), clock) as running:
        yield running


@pytest.fixture
async def on_sqlite(
    ready_sqlite_url: str, keys_dir: Path, provider: Provider, clock: FixedClock
) -> AsyncIterator[service.Booking]:
    """The whole service on SQLite, for what has nothing to do with the kind of database."""
    async with service.serving(service.settings(ready_sqlite_url, keys_dir, provider.url), clock) as running:
        yield running
