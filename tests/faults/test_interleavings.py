"""Whatever order transactions come in, the booking service is its model."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from booking_svc.store.work import Work
from chassis.store import Store
from tests.booking_svc import builders
from tests.booking_svc.test_booking_machine import wipe
from tests.clocks import FixedClock
from tests.faults.interleavings import Simulation

SEEDS, RELEASE_SEEDS = 2_000, 100_000
PARTS = 4
"""Files and processes that share the seeds."""


@pytest.fixture
def store(tmp_path: Path, clock: FixedClock) -> Iterator[Store[Work]]:
    """A store in memory where the system has files there: what a disk forgets is not in question here."""
    memory = Path("/dev/shm")
    with ExitStack() as stack:
        folder = stack.enter_context(TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else tmp_path))
        yield stack.enter_context(builders.opened(f"sqlite:///{folder}/booking.db", clock))


def simulate(seed: int, store: Store[Work], clock: FixedClock) -> int:
    wipe(store)
    simulation = Simulation(seed, store, clock)
    try:
        return simulation.run()
    except AssertionError as error:
        again = f"again: pytest {__file__} -k '[0-quick]' --seed={seed}"
        raise AssertionError(f"seed {seed}, {error}, after {simulation.steps}; {again}") from error


@pytest.mark.slow
@pytest.mark.parametrize(
    "seeds", [SEEDS, pytest.param(RELEASE_SEEDS, marks=pytest.mark.release)], ids=["quick", "release"]
)
@pytest.mark.parametrize("part", range(PARTS))
def test_every_interleaving_ends_as_the_model_says(
    *, part: int, seeds: int, seed: int, store: Store[Work], clock: FixedClock, keep_figures: Callable[..., None]
) -> None:
    mine = range(seed + part, seed + seeds, PARTS)
    transactions = sum(simulate(number, store, clock) for number in mine)
    keep_figures(f"interleavings-{seeds}-{part}", seeds=len(mine), transactions=transactions, first=seed + part)


def test_without_the_outbox_the_simulator_says_what_is_missing(
    store: Store[Work], clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEADWAY_FAULTS_OFF", "outbox")
    with pytest.raises(AssertionError, match=r"seed 1, .*after \['publish: done'"):
        simulate(1, store, clock)
