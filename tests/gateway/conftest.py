"""Gateways to ask."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.clocks import FixedClock
from tests.gateway.running import Running, running, settings_for


@pytest.fixture
async def gateway(sqlite_url: str, tmp_path: Path, clock: FixedClock) -> AsyncIterator[Running]:
    """A gateway whose services nobody has started."""
    async with running(settings_for(sqlite_url, tmp_path), clock) as found:
        yield found


@pytest.fixture
async def either_gateway(database_url: str, tmp_path: Path, clock: FixedClock) -> AsyncIterator[Running]:
    """The same on both kinds of database."""
    async with running(settings_for(database_url, tmp_path), clock) as found:
        yield found


@pytest.fixture(scope="session")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Running]:
    """A gateway for tests that change nothing; its clock stands still."""
    folder = tmp_path_factory.mktemp("gateway")
    async with running(settings_for(f"sqlite:///{folder}/test.db", folder), FixedClock()) as found:
        yield found
