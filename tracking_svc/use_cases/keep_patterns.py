"""Keep the patterns that departures have."""

from collections.abc import Sequence

from tracking_svc.domain.departures import Pattern
from tracking_svc.store.work import Work


def keep_patterns(work: Work, *, patterns: Sequence[Pattern]) -> None:
    """Remember patterns; those that are known never change."""
    work.patterns.keep(patterns, now=work.now)
