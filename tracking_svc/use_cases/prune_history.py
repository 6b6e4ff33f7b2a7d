"""Forget what is older than the history is kept."""

from datetime import timedelta

from chassis.inbox import Inbox
from chassis.outbox import prune_outbox
from tracking_svc.domain.departures import KEPT
from tracking_svc.domain.judgement import AGE_MAX
from tracking_svc.store.work import Work

LINGER = timedelta(days=1)
"""Sessions and messages outlive the points, so that nothing which could still be taken is taken twice."""
STEP_ROWS = 100


def prune_history(work: Work) -> int:
    """Delete a small step of what is too old; return how many rows, 0 when nothing is left."""
    oldest = work.now - AGE_MAX
    over = work.departures.prune(before=work.now - KEPT, limit=STEP_ROWS)
    work.runs.forget(over)
    return (
        work.frames.prune(before=oldest, limit=STEP_ROWS)
        + work.sessions.prune(before=oldest - LINGER, limit=STEP_ROWS)
        + Inbox(work.connection).prune(before=oldest - LINGER, limit=STEP_ROWS)
        + len(over)
        + work.patterns.prune(before=work.now - KEPT, limit=STEP_ROWS)
        + prune_outbox(work.connection, before=oldest, limit=STEP_ROWS)
    )
