from collections.abc import Sequence

from pricing_svc.domain.departure import Pattern
from pricing_svc.store.work import Work


def keep_patterns(work: Work, *, patterns: Sequence[Pattern]) -> None:
    """Remember patterns; those that are known never change."""
    work.patterns.keep(patterns, now=work.now)
