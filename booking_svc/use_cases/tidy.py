"""Forget what nobody needs any more, a little at a time."""

from datetime import timedelta

from booking_svc.store.work import Work
from chassis.inbox import Inbox
from chassis.outbox import prune_outbox
from chassis.replies import Replies

REPLIES_KEPT = timedelta(days=2)
OUTBOX_KEPT = timedelta(days=7)
INBOX_KEPT = timedelta(days=21)
ROWS_A_STEP = 500


def tidy(work: Work) -> int:
    """Delete old replies and published events; return how many rows."""
    return (
        Replies(work.connection).prune(before=work.now - REPLIES_KEPT, limit=ROWS_A_STEP)
        + prune_outbox(work.connection, before=work.now - OUTBOX_KEPT, limit=ROWS_A_STEP)
        + Inbox(work.connection).prune(before=work.now - INBOX_KEPT, limit=ROWS_A_STEP)
    )
