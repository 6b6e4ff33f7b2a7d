"""Times for the calls to which a timetable gives none."""

from collections.abc import Sequence
from itertools import pairwise

Times = tuple[int, int] | None
"""Arrival and departure in seconds, or None where the timetable gives neither."""


def interpolate(times: Sequence[Times], distances_meters: Sequence[float]) -> list[tuple[int, int]]:
    """Give every call times in whole seconds, by distance between the timed calls around it.

    The first and the last call are timed, times never go back and neither do distances; nor does what is returned.
    Calls that lie all in one place are spread evenly.
    """
    timed = [place for place, time in enumerate(times) if time is not None]
    found: list[tuple[int, int]] = []
    for before, after in pairwise(timed):
        left, right = times[before], times[after]
        assert left
        assert right
        found.append(left)
        is_apart = distances_meters[before] < distances_meters[after]
        scale = distances_meters if is_apart else range(len(times))
        for place in range(before + 1, after):
            share = (scale[place] - scale[before]) / (scale[after] - scale[before])
            moment = round(left[1] + share * (right[0] - left[1]))
            found.append((moment, moment))
    last = times[-1]
    assert last
    return [*found, last]
