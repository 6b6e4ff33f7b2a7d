"""Put a new refresh token in the place of the one presented."""

from gateway.accounts.domain.audit import Entry, Event
from gateway.accounts.domain.clients import digest_of
from gateway.accounts.domain.sessions import REFRESH_TTL, RefreshToken, Session, Use
from gateway.accounts.domain.users import User
from gateway.accounts.store.work import Work


def refresh_session(work: Work, *, secret: str, address: str) -> Session | None:
    """Rotate a refresh token, or return None; one that comes a second time ends its whole session.

    A refusal is returned, not raised, because it must be written down.
    """
    token = work.refresh_tokens.find(digest_of(secret))
    user = None if token is None else work.users.find(token.user_id)
    if token is None or user is None:
        work.audit.add(Entry(Event.REFRESH_REFUSED, "", "", address, "unknown"))
        return None
    successor = None if token.successor is None else work.refresh_tokens.find(token.successor)
    use = token.judge(successor, now=work.now)
    if use is Use.REUSE:
        work.refresh_tokens.revoke_family(token.family_id)
        work.audit.add(Entry(Event.FAMILY_REVOKED, user.id, "", address, "reuse"))
        return None
    if use is Use.EXPIRED:
        work.audit.add(Entry(Event.REFRESH_REFUSED, user.id, "", address, "expired"))
        return None
    if successor is not None:
        work.refresh_tokens.spend(successor, successor=None, now=work.now)
    work.audit.add(Entry(Event.REFRESHED, user.id, user.id, address))
    return replace_token(work, token, user)


def replace_token(work: Work, token: RefreshToken, user: User) -> Session:
    """Give the next token of a family; scopes that the role has lost since are gone."""
    secret = work.new_secret()
    scope = " ".join(sorted(user.scopes.intersection(token.scope.split())))
    following = RefreshToken(digest_of(secret), token.family_id, user.id, scope, work.now, work.now + REFRESH_TTL)
    work.refresh_tokens.add(following)
    # The ten seconds for a lost answer run from the first use: repeats must not stretch them.
    work.refresh_tokens.spend(token, successor=following.digest, now=token.used_at or work.now)
    return Session(user.id, scope, user.operator_id, secret)
