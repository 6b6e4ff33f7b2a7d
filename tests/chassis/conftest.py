from collections.abc import Iterator

import pytest

from chassis.store import Store
from tests.chassis import shelf
from tests.clocks import FixedClock


@pytest.fixture
def store(database_url: str, clock: FixedClock) -> Iterator[Store[shelf.Work]]:
    """A store on each kind of database, not yet serving: what is asked for before `start()` makes one group."""
    with shelf.opened(database_url, clock) as opened:
        yield opened
