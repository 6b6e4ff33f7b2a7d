"""Find stops and stations by name or place."""

from dataclasses import dataclass

from booking_svc.domain.departure import Stop, distance_meters
from booking_svc.store.stops import Circle
from booking_svc.store.work import Work

AROUND_MAX = 20_000


@dataclass(frozen=True, slots=True)
class FoundStop:
    """A stop, whose it is, and how far it is from the place that was asked for."""

    stop: Stop
    operator_id: str
    distance_meters: float | None = None


def list_stops(
    work: Work, *, words: str, near: Circle | None, operator_id: str, cursor: str, limit: int
) -> list[FoundStop]:
    """Find stops by the beginnings of words, or around a place, nearest first; a platform counts as its station."""
    if near is None:
        found = work.stops.named(words, operator_id=operator_id, after=cursor, limit=limit)
        return [FoundStop(*one) for one in found]
    around = work.stops.around(near, words=words, operator_id=operator_id, limit=AROUND_MAX)
    here = Stop("", "", "", "", near.latitude, near.longitude)
    measured = [FoundStop(stop, owner, round(distance_meters(here, stop), 1)) for stop, owner in around]
    inside = [one for one in measured if (one.distance_meters or 0.0) <= near.radius_meters]
    ordered = sorted(inside, key=lambda one: (one.distance_meters or 0.0, one.stop.id))
    behind = next((place for place, one in enumerate(ordered, 1) if one.stop.id == cursor), 0)
    return ordered[behind : behind + limit]
