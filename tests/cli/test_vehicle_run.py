"""A simulated vehicle keeps to its line and its timetable, as late as it is."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from random import Random
from typing import Any

import pytest

from cli.vehicle_run import LATEST_SECONDS, VehicleRun, place_on

START = datetime(2030, 1, 2, 8, tzinfo=UTC)
LINE = ((54.0, 10.0, 0.0), (54.0, 10.1, 6_500.0), (54.1, 10.1, 17_600.0))


def pattern(*, shape: bool = True) -> dict[str, Any]:
    """Make a pattern of three calls, five minutes' stop at the second."""
    calls = [
        {
            "stop": {"latitude": latitude, "longitude": longitude},
            "arrival_seconds": seconds,
            "departure_seconds": seconds + stay,
            "distance_meters": meters,
        }
        for (latitude, longitude, meters), seconds, stay in zip(LINE, (0, 600, 1800), (0, 300, 0), strict=True)
    ]
    points = [{"latitude": lat, "longitude": lon, "distance_meters": meters} for lat, lon, meters in LINE]
    return {"calls": calls, "shape": points if shape else []}


def run(*, late_seconds: float = 0.0, shape: bool = True) -> VehicleRun:
    made = VehicleRun.of(START, pattern(shape=shape), Random(1))
    made.late_seconds = late_seconds
    return made


@pytest.mark.parametrize(
    ("seconds", "meters"),
    [(-60, 0), (0, 0), (300, 3_250), (600, 6_500), (750, 6_500), (900, 6_500), (1800, 17_600), (9_999, 17_600)],
)
def test_it_is_where_the_timetable_has_it_and_waits_at_its_stops(seconds: int, meters: float) -> None:
    assert run().meters_at(START + timedelta(seconds=seconds)) == pytest.approx(meters)
    assert run(late_seconds=60).meters_at(START + timedelta(seconds=seconds + 60)) == pytest.approx(meters)


@pytest.mark.parametrize("shape", [True, False])
def test_every_report_is_near_the_line_and_lateness_has_a_limit(shape: bool) -> None:
    driven = run(shape=shape)
    reports = [driven.report(START + timedelta(seconds=5 * number)) for number in range(400)]
    told = [one for one in reports if one is not None]
    assert 0 < len(reports) - len(told) < 60  # some in a gap of the network, most not
    assert all(53.99 < one["latitude"] < 54.11 and 9.99 < one["longitude"] < 10.11 for one in told)
    assert all(0 <= one["heading_degrees"] < 360 and one["speed_meters_per_second"] < 40 for one in told)
    assert -60 <= driven.late_seconds <= LATEST_SECONDS


def test_a_vehicle_never_drives_back() -> None:
    along = [run().meters_at(START + timedelta(seconds=number)) for number in range(-10, 2_000, 7)]
    assert all(later >= earlier for earlier, later in pairwise(along))


def test_a_place_on_a_line_has_the_line_s_heading() -> None:
    latitude, longitude, heading = place_on(LINE, 3_250.0)
    assert (latitude, longitude) == pytest.approx((54.0, 10.05))
    assert heading == pytest.approx(90.0)
    assert place_on(LINE, 12_050.0)[2] == pytest.approx(0.0)
    assert place_on(LINE, 99_999.0)[:2] == pytest.approx(LINE[-1][:2])
