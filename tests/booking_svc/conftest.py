from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from booking_svc.store.work import Work
from chassis.store import Store
from tests.booking_svc import builders, service
from tests.booking_svc.payments import Provider
from tests.clocks import FixedClock


@pytest.fixture
def store(database_url: str, clock: FixedClock) -> Iterator[Store[Work]]:
    """A migrated store on each kind of database, its writer not running."""
    with builders.opened(database_url, clock) as opened:
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
    database_url: str, keys_dir: Path, provider: Provider, clock: FixedClock
) -> AsyncIterator[service.Booking]:
    """The whole service on each kind of database, without a broker, with the provider that tests share."""
    async with service.serving(service.settings(database_url, keys_dir, provider.url), clock) as running:
        yield running


@pytest.fixture
async def on_sqlite(
    sqlite_url: str, keys_dir: Path, provider: Provider, clock: FixedClock
) -> AsyncIterator[service.Booking]:
    """The whole service on SQLite, for what has nothing to do with the kind of database."""
    async with service.serving(service.settings(sqlite_url, keys_dir, provider.url), clock) as running:
        yield running
