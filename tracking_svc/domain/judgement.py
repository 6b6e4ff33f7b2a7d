"""Which points can be true. Pure, over columns: nothing is looked up, and no point spoils another.

Coordinates, time and accuracy decide: without them a point is worth nothing. Speed and heading only adorn it: one that
cannot be true (many devices say -1 for unknown) is left away and the point kept.
"""

import math
from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import timedelta
from enum import StrEnum

from tracking_svc.domain.points import MICROSECOND, NOT_TOLD, SECOND, Points
from tracking_svc.domain.sessions import Session

AHEAD_MAX = 60 * SECOND
"""How fast a device's clock may be."""
AGE_MAX = timedelta(days=7)
"""How long a device may have been away; history is kept as long."""
ACCURACY_METERS_MAX = 500.0
SPEED_METERS_PER_SECOND_MAX = 150.0


class Reason(StrEnum):
    """Why a point was not taken."""

    NOT_FINITE = "not_finite"
    OUT_OF_RANGE = "out_of_range"
    # Where a receiver without a fix says it is.
    NULL_ISLAND = "null_island"
    IN_THE_FUTURE = "in_the_future"
    TOO_OLD = "too_old"
    INACCURATE = "inaccurate"
    DUPLICATE = "duplicate"
    IMPLAUSIBLE_SPEED = "implausible_speed"


Verdict = Reason | None
"""None for a point that is taken."""


def judge(points: Points, *, session: Session, now: int) -> list[Verdict]:
    """Tell for each point whether it can be true and is new to its session; `now` in microseconds since 1970.

    A sequence that the session has settled stays settled, even if its point was rejected then and could be taken now.
    """
    rows = zip(points.recorded, points.latitudes, points.longitudes, points.accuracies, strict=True)
    verdicts = [
        doubt_place(latitude, longitude) or doubt_time(recorded, now) or doubt_accuracy(accuracy)
        for recorded, latitude, longitude, accuracy in rows
    ]
    seen: set[int] = set()
    for place, sequence in enumerate(points.sequences):
        if sequence < 0:
            verdicts[place] = verdicts[place] or Reason.OUT_OF_RANGE
        elif session.counts(sequence):
            if verdicts[place] is None and (sequence in seen or session.has_settled(sequence)):
                verdicts[place] = Reason.DUPLICATE
            seen.add(sequence)
    return verdicts


def refuse_stored(points: Points, verdicts: Sequence[Verdict], *, stored: Collection[int]) -> list[Verdict]:
    """Refuse points of times at which the vehicle has one already, be it stored or earlier in this batch."""
    seen = set(stored)
    judged: list[Verdict] = []
    for recorded, verdict in zip(points.recorded, verdicts, strict=True):
        judged.append(Reason.DUPLICATE if verdict is None and recorded in seen else verdict)
        if verdict is None:
            seen.add(recorded)
    return judged


def taken(verdicts: Sequence[Verdict]) -> list[int]:
    """Return the places of the points that are taken."""
    return [place for place, verdict in enumerate(verdicts) if verdict is None]


def without_nonsense(points: Points) -> Points:
    """Leave away speeds and headings that cannot be true."""
    return replace(
        points,
        speeds=[speed if 0 <= speed <= SPEED_METERS_PER_SECOND_MAX else NOT_TOLD for speed in points.speeds],
        headings=[heading if 0 <= heading <= 360 else NOT_TOLD for heading in points.headings],
    )


def doubt_place(latitude: float, longitude: float) -> Verdict:
    """Refuse what is nowhere on Earth, and null island."""
    if not (math.isfinite(latitude) and math.isfinite(longitude)):
        return Reason.NOT_FINITE
    if abs(latitude) > 90 or abs(longitude) > 180:
        return Reason.OUT_OF_RANGE
    return Reason.NULL_ISLAND if latitude == 0 == longitude else None


def doubt_time(recorded: int, now: int) -> Verdict:
    """Refuse what lies ahead by more than a clock may be wrong, and what is older than the history."""
    if recorded > now + AHEAD_MAX:
        return Reason.IN_THE_FUTURE
    return Reason.TOO_OLD if recorded < now - AGE_MAX // MICROSECOND else None


def doubt_accuracy(accuracy: float) -> Verdict:
    """Refuse what may be anywhere; devices say a negative accuracy when there is no fix."""
    if accuracy < 0:
        return Reason.OUT_OF_RANGE
    return Reason.INACCURATE if accuracy > ACCURACY_METERS_MAX else None
