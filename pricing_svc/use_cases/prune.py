from datetime import timedelta

from chassis.outbox import prune_outbox
from pricing_svc.store.work import Work

OUTBOX_DAYS = 7
# Longer than a stream keeps a message that could come again.
INBOX_DAYS = 8
DEPARTURE_DAYS = 2
STEP_ROWS = 500


def prune(work: Work) -> int:
    """Forget some of what nobody asks for any more, little enough for one step; return how many rows."""
    ended = work.departures.prune(before=work.now - timedelta(days=DEPARTURE_DAYS), limit=STEP_ROWS)
    work.availabilities.forget(ended)
    received = work.inbox.prune(before=work.now - timedelta(days=INBOX_DAYS), limit=STEP_ROWS)
    sent = prune_outbox(work.connection, before=work.now - timedelta(days=OUTBOX_DAYS), limit=STEP_ROWS)
    patterns = work.patterns.prune(before=work.now - timedelta(days=DEPARTURE_DAYS), limit=STEP_ROWS)
    return len(ended) + received + sent + patterns
