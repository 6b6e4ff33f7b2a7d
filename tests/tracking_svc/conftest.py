from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from chassis.keys import Signer, open_signer
from chassis.store import Store
from tests.clocks import FixedClock
from tests.tracking_svc import fleet
from tests.tracking_svc.fleet import Tracking
from tracking_svc.settings import TrackingSettings
from tracking_svc.store.work import Work


@pytest.fixture
def store(database_url: str, clock: FixedClock) -> Iterator[Store[Work]]:
    """A store on each kind of database that knows the fleet, not yet serving: calls are run by `fleet.commit`."""
    with fleet.opened(database_url, clock) as opened:
        yield opened


@pytest.fixture
def keys_dir(tmp_path: Path) -> Path:
    return tmp_path / "keys"


@pytest.fixture
def gateway(keys_dir: Path) -> Signer:
    """Who signs the tokens of people and devices."""
    return open_signer("gateway", keys_dir)


@pytest.fixture
def settings(sqlite_url: str, keys_dir: Path) -> TrackingSettings:
    """Settings of a service whose broker is not there."""
    return TrackingSettings(database_url=sqlite_url, nats_url=fleet.NOBODY, keys_dir=keys_dir, grpc_port=0)


@pytest.fixture
async def tracking(settings: TrackingSettings, gateway: Signer, clock: FixedClock) -> AsyncIterator[Tracking]:
    """The whole service on its socket, with no broker, and the fleet known."""
    async with fleet.serving(settings, gateway, clock) as running:
        yield running
