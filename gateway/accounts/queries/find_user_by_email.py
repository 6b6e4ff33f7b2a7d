"""Find who has an e-mail address."""

from gateway.accounts.domain.users import User
from gateway.accounts.store.work import Work


def find_user_by_email(work: Work, *, email: str) -> User | None:
    """Find who has an e-mail address."""
    return work.users.find_by_email(email)
