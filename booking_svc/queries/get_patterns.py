"""Read patterns by id."""

from collections.abc import Sequence

from booking_svc.domain.departure import Pattern
from booking_svc.store.work import Work


def get_patterns(work: Work, *, pattern_ids: Sequence[str]) -> list[Pattern]:
    """Read those of some patterns that exist, with their lines on the map."""
    return list(work.patterns.get_many(pattern_ids).values())
