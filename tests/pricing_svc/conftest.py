from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from chassis.keys import Signer, open_signer
from chassis.rpc_client import ServiceIdentity
from chassis.store import Store
from pricing_svc.bootstrap import open_store
from pricing_svc.flows.timetable import Timetable
from pricing_svc.settings import PricingSettings
from pricing_svc.store.work import Work
from tests.clocks import FixedClock
from tests.pricing_svc import service, timetable
from tests.pricing_svc.service import NOBODY, Pricing
from tests.pricing_svc.timetable import BookingsTimetable


@pytest.fixture
def store(database_url: str, clock: FixedClock) -> Iterator[Store[Work]]:
    """A migrated store on each kind of database, not yet serving: calls are run by `commit` and `ask`."""
    opened = open_store(database_url, clock)
    yield opened
    opened.stop()


@pytest.fixture
def serving_store(store: Store[Work]) -> Store[Work]:
    store.start()
    return store


@pytest.fixture
def keys_dir(tmp_path: Path) -> Path:
    return tmp_path / "keys"


@pytest.fixture
def gateway(keys_dir: Path) -> Signer:
    """Who signs the tokens of people."""
    return open_signer("gateway", keys_dir)


@pytest.fixture
async def booking(keys_dir: Path, clock: FixedClock) -> AsyncIterator[BookingsTimetable]:
    """What stands for booking, on a socket; `settings` has its address."""
    found = BookingsTimetable()
    async with timetable.serving(found, keys_dir, clock) as address:
        found.address = address
        yield found


@pytest.fixture
async def client(booking: BookingsTimetable, keys_dir: Path, clock: FixedClock) -> AsyncIterator[Timetable]:
    """What asks booking in this service's name."""
    found = Timetable(booking.address, ServiceIdentity(open_signer("pricing", keys_dir), now=clock.now))
    yield found
    await found.close()


@pytest.fixture
def settings(sqlite_url: str, keys_dir: Path, booking: BookingsTimetable) -> PricingSettings:
    """Settings of a service whose broker is not there."""
    return PricingSettings(
        database_url=sqlite_url,
        nats_url=f"nats://{NOBODY}",
        keys_dir=keys_dir,
        booking_address=booking.address,
        grpc_port=0,
    )


@pytest.fixture
async def pricing(settings: PricingSettings, gateway: Signer, clock: FixedClock) -> AsyncIterator[Pricing]:
    """The whole service on its socket, with booking and without a broker."""
    async with service.serving(settings, gateway, clock) as running:
        yield running
