from collections.abc import Iterable

from pricing_svc.store.work import Work


def find_unknown_patterns(work: Work, *, pattern_ids: Iterable[str]) -> list[str]:
    """Return those of some patterns that are not known yet."""
    return sorted(set(pattern_ids) - set(work.patterns.lasting(pattern_ids)))
