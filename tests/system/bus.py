"""A coach on its way, and whoever reports where it is."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2

from tests.system.deadlines import until
from tests.system.journey import PLACES, checked, coach, publish

SECONDS = 20


@dataclass(frozen=True)
class Bus:
    """A departure that began ten minutes ago, the vehicle that runs it, and who speaks for both."""

    operator: httpx2.Client
    departure: Any
    vehicle: Any

    @property
    def label(self) -> str:
        return str(self.vehicle["label"])

    def report(self, latitude: float, longitude: float, *, seconds_ago: float = 0) -> None:
        at = datetime.now(UTC) - timedelta(seconds=seconds_ago)
        point = {"recorded_at": at.isoformat(), "latitude": latitude, "longitude": longitude}
        told = checked(
            self.operator.post(f"/vehicles/{self.vehicle['id']}/positions", json={"positions": [point]}), 200
        )
        assert told["accepted"] == 1, told


def bus_on_its_way(
    operator: httpx2.Client,
    operator_id: str,
    *,
    places: Sequence[tuple[str, float, float]] = PLACES,
    label: str = "HW 7",
) -> Bus:
    """Put a coach on the road and wait until tracking has heard of it."""
    wish = coach(operator_id=operator_id, starts_in=timedelta(minutes=-10), places=places)
    departure = publish(operator, wish)
    vehicle = checked(operator.post("/vehicles", json={"operator_id": operator_id, "label": label}), 201)
    path = f"/departures/{departure['id']}"
    tag = {"If-Match": operator.get(path).headers["ETag"]}
    checked(operator.put(f"{path}/vehicle", json={"vehicle_id": vehicle["id"]}, headers=tag), 200)
    until(lambda: operator.get(f"{path}/live").json().get("vehicle"), seconds=SECONDS, what="assigned")
    until(lambda: operator.get(f"/vehicles/{vehicle['id']}").is_success, seconds=SECONDS, what="known")
    return Bus(operator, departure, vehicle)
