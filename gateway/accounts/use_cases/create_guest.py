"""Let somebody travel without an account."""

from gateway.accounts.domain.audit import Entry, Event
from gateway.accounts.domain.roles import Role
from gateway.accounts.domain.sessions import Session
from gateway.accounts.domain.users import User
from gateway.accounts.store.work import Work
from gateway.accounts.use_cases.open_session import begin_session


def create_guest(work: Work, *, address: str) -> Session:
    """Make a rider without an account; the session is all that they have."""
    guest = User(work.new_id("usr"), Role.RIDER, work.now)
    work.users.add(guest)
    work.audit.add(Entry(Event.GUEST_CREATED, guest.id, guest.id, address))
    return begin_session(work, guest, scopes=guest.scopes)
