"""Read the account behind a token."""

from gateway.accounts.domain.users import User
from gateway.accounts.store.work import Work


def get_me(work: Work, *, user_id: str) -> User | None:
    """Read the account behind a token; a client or a device has none."""
    return work.users.find(user_id)
