"""A running system whose holds and quotes end soon, and in which every caller's share is counted."""

from contextlib import ExitStack

import pytest

from tests.system.running_stack import Stack, running

HOLD_SECONDS = 4
HOLDS_PER_RIDER = 2
HASTY = {
    "BOOKING_HOLD_SECONDS": str(HOLD_SECONDS),
    "BOOKING_HOLDS_PER_RIDER": str(HOLDS_PER_RIDER),
    "PRICING_QUOTE_SECONDS": "4",
    "GATEWAY_RATE_LIMITS": "on",
    # So that riders can come from addresses of their own.
    "GATEWAY_TRUSTED_PROXIES": "127.0.0.1",
}
STARTED = pytest.StashKey[Stack]()


@pytest.fixture(scope="session")
def hasty(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Stack:
    """Start it once for all files: a fixture that two of them import would be made for each."""
    if STARTED not in pytestconfig.stash:
        opened = ExitStack()
        pytestconfig.add_cleanup(opened.close)
        folder = tmp_path_factory.mktemp("hasty") / "data"
        pytestconfig.stash[STARTED] = opened.enter_context(running(folder, environment=HASTY))
    return pytestconfig.stash[STARTED]
