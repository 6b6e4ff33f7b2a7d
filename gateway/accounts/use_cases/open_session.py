"""Begin a session for somebody whose password was right."""

from gateway.accounts.domain.audit import Entry, Event
from gateway.accounts.domain.clients import digest_of
from gateway.accounts.domain.sessions import REFRESH_TTL, RefreshToken, Session
from gateway.accounts.domain.users import User
from gateway.accounts.store.work import Work


def open_session(work: Work, *, user: User, scopes: frozenset[str], address: str) -> Session:
    """Begin a session for somebody whose password was right."""
    work.audit.add(Entry(Event.SIGNED_IN, user.id, user.id, address))
    return begin_session(work, user, scopes=scopes)


def begin_session(work: Work, user: User, *, scopes: frozenset[str]) -> Session:
    """Give the first refresh token of a new family."""
    secret, scope = work.new_secret(), " ".join(sorted(scopes))
    expires_at = work.now + REFRESH_TTL
    work.refresh_tokens.add(RefreshToken(digest_of(secret), work.new_id("ses"), user.id, scope, work.now, expires_at))
    return Session(user.id, scope, user.operator_id, secret)
