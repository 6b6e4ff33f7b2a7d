"""Leaps that no vehicle makes. Pure: a receiver that errs is doubted, one that insists is believed.

A true way leaps between no two of its points, in whatever order they come, so no order makes a true point look false.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

from tracking_svc.domain.judgement import Reason, Verdict
from tracking_svc.domain.line import DEGREE_METERS
from tracking_svc.domain.points import SECOND, Points, Position, microseconds

SPEED_METERS_PER_SECOND_MAX = 100.0
LEAP_METERS = 500.0
"""What two receivers' errors may add up to."""
INSISTS_TIMES = 3
"""So many points in a row that fit each other and not what was known are the new truth."""


class Fix(NamedTuple):
    """Where a vehicle was at a time, in microseconds since 1970."""

    recorded: int
    latitude: float
    longitude: float


class Doubt(NamedTuple):
    """The last of some points in a row that fit each other and not what was known."""

    fix: Fix
    times: int


def refuse_leaps(
    points: Points, verdicts: Sequence[Verdict], *, known: Fix | None, doubt: Doubt | None
) -> tuple[list[Verdict], Doubt | None]:
    """Refuse points that are too far from where the vehicle is known to have been; return the doubt that is left.

    Where it is known to be moves along with the points that are taken, and to where it insists on being.
    """
    judged = list(verdicts)
    for place in sorted(range(len(points)), key=points.recorded.__getitem__):
        if judged[place] is not None:
            continue
        fix = Fix(points.recorded[place], points.latitudes[place], points.longitudes[place])
        if known is None or not is_leap(known, fix):
            known = fix if known is None else max(known, fix)
            continue
        follows = (
            doubt is not None and known.recorded < doubt.fix.recorded < fix.recorded and not is_leap(doubt.fix, fix)
        )
        doubt = Doubt(fix, doubt.times + 1 if doubt and follows else 1)
        if doubt.times < INSISTS_TIMES:
            judged[place] = Reason.IMPLAUSIBLE_SPEED
        else:
            known, doubt = fix, None
    return judged, doubt


def fix_of(position: Position) -> Fix:
    """Take from a position what tells leaps."""
    return Fix(microseconds(position.recorded_at), position.latitude, position.longitude)


def is_leap(one: Fix, other: Fix) -> bool:
    """Tell whether nothing that travels can have been at both places."""
    scale = math.cos(math.radians((one.latitude + other.latitude) / 2))
    east = (one.longitude - other.longitude + 180) % 360 - 180
    distance = DEGREE_METERS * math.hypot(one.latitude - other.latitude, east * scale)
    return distance > LEAP_METERS + SPEED_METERS_PER_SECOND_MAX * abs(one.recorded - other.recorded) / SECOND
