"""Tell whether a read model is whole."""

from tracking_svc.store.work import Work


def is_rebuilt(work: Work, *, name: str) -> bool:
    """Tell whether a read model was ever built from its owner's list."""
    return work.rebuilds.is_finished(name)
