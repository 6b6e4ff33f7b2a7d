"""Make an account for somebody who travels."""

from gateway.accounts.domain.audit import Entry, Event
from gateway.accounts.domain.roles import Role
from gateway.accounts.domain.users import User
from gateway.accounts.store.work import Work


def sign_up_rider(work: Work, *, email: str, name: str | None, password_hash: str, address: str) -> User:
    """Make an account for somebody who travels."""
    rider = User(work.new_id("usr"), Role.RIDER, work.now, email, name, password_hash)
    work.users.add(rider)
    work.audit.add(Entry(Event.SIGNED_UP, rider.id, rider.id, address))
    return rider
