"""Riders book while everything is killed, cut, frozen and robbed: nothing is lost, and nothing is done twice."""

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.faults.lives import STEPPED_CLOCKS, live, planned_points, untaken_links
from tests.faults.plans import LIVES, PAYMENT_POINTS, plan_of
from tests.faults.points import ROOT, fault_points
from tests.faults.replay import told

BOOKINGS = 1250
KILLS = 25
"""In each life, at least; four lives make CI's hundred kills and five thousand bookings, forty the release's."""
RELEASE_LIVES = 40
NUMBERS = [
    pytest.param(number, marks=[] if number < LIVES else [pytest.mark.release]) for number in range(RELEASE_LIVES)
]
"""CI has time for the first lives, which pass every fault point."""


@pytest.mark.slow
@pytest.mark.parametrize("number", NUMBERS)
async def test_a_life_full_of_faults_ends_consistent(
    number: int, seed: int, tmp_path: Path, keep_figures: Callable[..., None]
) -> None:
    plan = plan_of(seed + number, bookings=BOOKINGS)
    verdict = await live(plan, tmp_path)
    keep_figures(
        f"life-{number:03}", seed=plan.seed, bookings=verdict.bookings, kills=verdict.deaths.total(),
        killed=verdict.deaths, broken=verdict.broken, events=verdict.events, charges=verdict.charges,
        refunds=verdict.refunds, points=verdict.points_acknowledged, recovery_seconds=verdict.recovery_seconds,
        hit=sorted(verdict.hit), is_on_postgresql=plan.is_on_postgresql, has_links=plan.has_links,
        violations=verdict.violations, seconds=verdict.seconds,
    )  # fmt: skip
    print(told(verdict))
    assert verdict.violations == [], told(verdict)
    assert not verdict.cold, f"these fault points were never passed: {verdict.cold}\n{told(verdict)}"
    assert verdict.bookings >= BOOKINGS
    assert verdict.deaths.total() >= min(KILLS, plan.deaths), told(verdict)


@pytest.mark.parametrize("first", [0, 1, 17])
def test_so_many_lives_pass_every_fault_point(first: int) -> None:
    plans = [plan_of(number, bookings=1) for number in range(first, first + LIVES)]
    planned = {entry.partition(":")[0] for plan in plans for entry in plan.faults}
    assert planned == set(fault_points())
    assert {plan.payment_fault for plan in plans} >= set(PAYMENT_POINTS)
    assert {how for plan in plans for how in plan.broker} == {"robbed", "frozen", "dead"}
    assert sum(plan.deaths for plan in plans) >= 100


def test_a_process_has_a_clock_that_can_be_stepped(tmp_path: Path) -> None:
    (tmp_path / "timeit").write_text("-7200")
    environment = {"PYTHONPATH": f"{STEPPED_CLOCKS}:{ROOT}", "HEADWAY_TEST_CLOCKS": str(tmp_path)}
    code = "import time, chassis.clock as c; print(c.SystemClock().now().timestamp(), time.time_ns())"
    command = [sys.executable, "-m", "timeit", "-n1", "-r1", code]
    told = subprocess.run(command, check=True, env=environment, capture_output=True, text=True).stdout.split()
    now = time.time()
    assert [float(told[0]), int(told[1]) / 1e9] == pytest.approx([now - 7200] * 2, abs=60)


def test_what_is_not_hit_is_cold() -> None:
    plan = plan_of(0, bookings=1)
    assert planned_points(plan) == {entry.partition(":")[0] for entry in plan.faults} | {"before_capture@payments"}
    taken = {"rider>gateway": 1, "gateway>nats": 0, "gateway>postgresql": 0}
    links = {name: SimpleNamespace(taken=times) for name, times in taken.items()}
    world: Any = SimpleNamespace(links=SimpleNamespace(by_name=links), server=None)
    assert untaken_links(world) == ["gateway>nats"]
    world.server = object()
    assert untaken_links(world) == ["gateway>nats", "gateway>postgresql"]


def test_a_seed_is_a_life() -> None:
    assert plan_of(7, bookings=10) == plan_of(7, bookings=10)
    assert plan_of(7, bookings=10) != plan_of(11, bookings=10)
