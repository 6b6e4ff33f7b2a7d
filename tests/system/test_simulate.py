"""`headway simulate` on the running system: vehicles drive what is on sale, riders book it."""

import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import httpx2
import pytest

from tests.system.journey import checked, coach, publish
from tests.system.running_stack import ROOT, Stack, admin, running

SECONDS = 12


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A system of its own: riders book whatever is on sale, and other tests leave much of it."""
    with running(tmp_path_factory.mktemp("simulated") / "data") as started:
        yield started


def simulate(stack: Stack, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "cli", "simulate", "--data-dir", str(stack.folder), *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


def test_vehicles_drive_and_riders_book(stack: Stack) -> None:
    with admin(stack) as operator:
        on_its_way = publish(operator, coach(operator_id="simulated", starts_in=timedelta(minutes=-20)))
        for day in (1, 2):
            publish(operator, coach(operator_id="simulated", starts_in=timedelta(days=day)))
        done = simulate(stack, "--vehicles", "50", "--riders", "8", "--seconds", str(SECONDS))
        assert (done.returncode, done.stderr) == (0, ""), done.stderr
        departure = checked(operator.get(f"/departures/{on_its_way['id']}"), 200)
        assert departure["vehicle"]["label"].startswith("HW ")
        seen = checked(operator.get(f"/vehicles/{departure['vehicle']['id']}"), 200)
        assert 38 < seen["position"]["latitude"] < 42
        assert booked(operator), "nobody booked anything"


def booked(operator: httpx2.Client) -> list[Any]:
    """List the bookings on all departures of the simulated operator."""
    page = checked(operator.get("/departures", params={"operator_id": "simulated"}), 200)
    ids = [one["id"] for one in page["items"]]
    return [
        one for id_ in ids for one in checked(operator.get("/bookings", params={"departure_id": id_}), 200)["items"]
    ]


def test_without_a_running_system_it_says_what_to_do(tmp_path: Any) -> None:
    command = [sys.executable, "-m", "cli", "simulate", "--data-dir", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "headway up" in done.stderr
