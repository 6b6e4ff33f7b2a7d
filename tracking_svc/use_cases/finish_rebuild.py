"""Record that a read model is whole."""

from tracking_svc.store.work import Work


def finish_rebuild(work: Work, *, name: str) -> None:
    """Record that a read model was built from its owner's list; from now on events keep it."""
    work.rebuilds.finish(name, now=work.now)
