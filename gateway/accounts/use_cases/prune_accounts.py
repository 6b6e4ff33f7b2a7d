"""Forget what nobody needs any more."""

from datetime import timedelta

from gateway.accounts.store.work import Work

AUDIT_KEPT = timedelta(days=180)
ROWS_MAX = 500
"""A step of this size holds the writer for a few milliseconds."""


def prune_accounts(work: Work) -> int:
    """Forget some expired refresh tokens and old audit entries; return how many, 0 when there are none left."""
    tokens = work.refresh_tokens.prune(before=work.now, limit=ROWS_MAX)
    return tokens + work.audit.prune(before=work.now - AUDIT_KEPT, limit=ROWS_MAX)
