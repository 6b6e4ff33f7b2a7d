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
# Pieces of a quarter of a mebibyte.
PIECES_A_STEP = 16
UPLOAD_MAX = timedelta(hours=1)


def tidy(work: Work) -> int:
    """Delete old replies, published events and what is left of feeds; return how many rows."""
    return (
        tidy_feeds(work)
        + Replies(work.connection).prune(before=work.now - REPLIES_KEPT, limit=ROWS_A_STEP)
        + prune_outbox(work.connection, before=work.now - OUTBOX_KEPT, limit=ROWS_A_STEP)
        + Inbox(work.connection).prune(before=work.now - INBOX_KEPT, limit=ROWS_A_STEP)
    )


def tidy_feeds(work: Work) -> int:
    """Delete what one feed that nobody will use any more has left: its content, its trips, its calendars."""
    for feed_id in work.feeds.spent(received_before=work.now - UPLOAD_MAX)[:1]:
        pieces = work.feeds.drop_content(feed_id, limit=PIECES_A_STEP)
        return pieces or work.feeds.drop_staged(feed_id, limit=ROWS_A_STEP)
    return 0
