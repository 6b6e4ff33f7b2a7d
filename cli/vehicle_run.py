"""Where a simulated vehicle is: on its line, a little late, held up by traffic, with the noise of a receiver."""

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Any

EARTH_RADIUS_METERS = 6_371_008.8
NOISE_METERS = 4.0
LATEST_SECONDS = 600.0
GAP_CHANCE = 0.03
Point = tuple[float, float, float]
"""Latitude, longitude and metres along the ride."""


@dataclass(slots=True)
class VehicleRun:
    """One departure on its way; `late_seconds` wanders as traffic does."""

    starts_at: datetime
    # Seconds after the start and metres along, of every arrival and departure in order.
    times: Sequence[tuple[float, float]]
    line: Sequence[Point]
    chance: Random
    late_seconds: float = 0.0

    @classmethod
    def of(cls, starts_at: datetime, pattern: dict[str, Any], chance: Random) -> "VehicleRun":
        """Make the run of a pattern as `GET /v1/patterns` tells it."""
        calls = pattern["calls"]
        times = [
            (float(call[name]), call["distance_meters"])
            for call in calls
            for name in ("arrival_seconds", "departure_seconds")
            if call[name] is not None
        ]
        stops = [(call["stop"]["latitude"], call["stop"]["longitude"], call["distance_meters"]) for call in calls]
        shape = [(point["latitude"], point["longitude"], point["distance_meters"]) for point in pattern["shape"]]
        return cls(starts_at, times, shape or stops, chance, chance.uniform(-30, 120))

    @property
    def ends_at(self) -> datetime:
        return self.starts_at + timedelta(seconds=self.times[-1][0] + self.late_seconds)

    def report(self, now: datetime) -> dict[str, Any] | None:
        """Say where the vehicle is as its device would; None while it sees no satellite."""
        self.late_seconds = min(LATEST_SECONDS, max(-60.0, self.late_seconds + self.chance.gauss(0.5, 4.0)))
        if self.chance.random() < GAP_CHANCE:
            return None
        meters = self.meters_at(now)
        latitude, longitude, heading = place_on(self.line, meters)
        speed = max(0.0, self.meters_at(now + timedelta(seconds=1)) - meters)
        north, east = (math.degrees(self.chance.gauss(0, NOISE_METERS) / EARTH_RADIUS_METERS) for _ in range(2))
        return {
            "recorded_at": now.isoformat(),
            "latitude": round(latitude + north, 6),
            "longitude": round(longitude + east / max(0.01, math.cos(math.radians(latitude))), 6),
            "speed_meters_per_second": round(speed, 1),
            "heading_degrees": round(heading, 1),
            "accuracy_meters": NOISE_METERS,
        }

    def meters_at(self, now: datetime) -> float:
        """Tell how far along the ride the timetable has it, as late as it is; it waits out its stops."""
        seconds = (now - self.starts_at).total_seconds() - self.late_seconds
        after = bisect_right(self.times, seconds, key=lambda time: time[0])
        if after in (0, len(self.times)):
            return self.times[min(after, len(self.times) - 1)][1]
        (began, start), (ended, end) = self.times[after - 1], self.times[after]
        return start + (end - start) * (seconds - began) / (ended - began)


def place_on(line: Sequence[Point], meters: float) -> tuple[float, float, float]:
    """Find the latitude, longitude and heading in degrees at a distance along a line."""
    after = min(max(1, bisect_right(line, meters, key=lambda point: point[2])), len(line) - 1)
    (lat1, lon1, start), (lat2, lon2, end) = line[after - 1], line[after]
    part = min(1.0, max(0.0, (meters - start) / (end - start))) if end > start else 0.0
    east = (lon2 - lon1) * math.cos(math.radians(lat1))
    return lat1 + (lat2 - lat1) * part, lon1 + (lon2 - lon1) * part, math.degrees(math.atan2(east, lat2 - lat1)) % 360
