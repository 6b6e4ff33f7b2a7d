"""Sign somebody in: find, check off the event loop, then write."""

from chassis.errors import FieldError, InvalidInput
from gateway.accounts.accounts import Accounts
from gateway.accounts.domain.audit import Entry, Event
from gateway.accounts.domain.errors import RefusedRefresh, WrongCredentials
from gateway.accounts.domain.sessions import Session, granted
from gateway.accounts.queries.find_client import find_client
from gateway.accounts.queries.find_user_by_email import find_user_by_email
from gateway.accounts.use_cases.open_session import open_session
from gateway.accounts.use_cases.record import record
from gateway.accounts.use_cases.refresh_session import refresh_session


async def issue_token(
    accounts: Accounts,
    *,
    grant_type: str,
    username: str = "",
    password: str = "",
    refresh_token: str = "",
    client_id: str = "",
    client_secret: str = "",
    scope: str = "",
    address: str,
) -> Session:
    """Begin or go on with a session as the grant type says (RFC 6749, 4.3, 4.4 and 6)."""
    if grant_type == "password":
        require(username=username, password=password)
        return await sign_in_user(accounts, email=username, password=password, scope=scope, address=address)
    if grant_type == "refresh_token":
        require(refresh_token=refresh_token)
        return await go_on(accounts, refresh_token=refresh_token, address=address)
    require(client_id=client_id, client_secret=client_secret)
    return await sign_in_client(accounts, client_id=client_id, secret=client_secret, scope=scope, address=address)


def require(**fields: str) -> None:
    """Ask for the fields that a grant type needs."""
    errors = [FieldError(f"/{name}", "This grant type needs it.") for name, value in fields.items() if not value]
    if errors:
        raise InvalidInput(errors=errors)


async def sign_in_user(accounts: Accounts, *, email: str, password: str, scope: str, address: str) -> Session:
    """Begin a session for a user; raise WrongCredentials as late for an unknown name as for a wrong password."""
    user = await accounts.store.read(find_user_by_email, email=email)
    is_right = await accounts.passwords.is_right(password, user.password_hash if user else None)
    if user is None or not is_right:
        await refuse(accounts, subject=user.id if user else "", address=address)
        raise WrongCredentials
    scopes = granted(user.scopes, scope)
    return await accounts.store.write(open_session, user=user, scopes=scopes, address=address)


async def sign_in_client(accounts: Accounts, *, client_id: str, secret: str, scope: str, address: str) -> Session:
    """Let a client in with its secret; raise WrongCredentials."""
    client = await accounts.store.read(find_client, client_id=client_id)
    if client is None or not client.knows(secret):
        await refuse(accounts, subject=client.id if client else "", address=address)
        raise WrongCredentials
    session = Session(client.id, " ".join(sorted(granted(client.scopes, scope))), client.operator_id)
    await accounts.store.write(record, entry=Entry(Event.SIGNED_IN, client.id, client.id, address))
    return session


async def go_on(accounts: Accounts, *, refresh_token: str, address: str) -> Session:
    """Go on with a session; raise RefusedRefresh for a token that is not its live one."""
    session = await accounts.store.write(refresh_session, secret=refresh_token, address=address)
    if session is None:
        raise RefusedRefresh
    return session


async def refuse(accounts: Accounts, *, subject: str, address: str) -> None:
    """Write a refusal down; whether the name exists shows in the audit and nowhere else."""
    await accounts.store.write(record, entry=Entry(Event.SIGN_IN_REFUSED, subject, "", address))
