"""Who is calling, and how a route hands that on to the services.

    from gateway.bodies import Router                    # instead of APIRouter: strict JSON, content types
    from gateway.caller import Anonymous, Call, SignedIn, signed_in, with_key
    from gateway.preconditions import IfMatch, RequiredIfMatch, etag
    from gateway.problems import problems

    async def list_stops(call: Anonymous, ...)                              no token needed; one that is sent is checked
    async def get_me(call: SignedIn, ...)                                   any valid token
    async def list_bookings(call: Annotated[Call, signed_in("bookings", "bookings:all")], ...)   any one of the scopes
    async def hold_booking(call: Annotated[Call, with_key("bookings")], ...)           and an Idempotency-Key header
    async def join_waitlist(call: Annotated[Call, with_key()], ...)                    any valid token and a key
    async def confirm_booking(call: Annotated[Call, with_key("bookings", timeout=10.0)], ...)

A Call has `.metadata` and `.timeout` for gRPC and `.caller` (chassis.access.Caller: subject, scopes, operator_id...).
`request.app.state` has: settings, clock, registry, signer, verifier, identity, accounts, backends.
"""

import re
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Header, Request, Security
from fastapi.security import OAuth2
from starlette.requests import HTTPConnection

from chassis.access import Caller, caller_of, needs
from chassis.errors import MissingKey, NotAuthenticated
from chassis.keys import USER_TOKEN
from gateway.accounts.domain.roles import SCOPES
from gateway.preconditions import REQUIRED

TIMEOUT_SECONDS = 5.0
TOKEN_URL = "/v1/oauth/token"  # noqa: S105
KEY = re.compile(r"[!-~]{1,255}")
KEY_EXAMPLE = "a-fresh-value-for-every-request"
"""Swagger UI shows it; the documentation page sends a fresh random key in its place."""

FLOWS: Any = {
    "password": {"tokenUrl": TOKEN_URL, "refreshUrl": TOKEN_URL, "scopes": dict(SCOPES)},
    "clientCredentials": {"tokenUrl": TOKEN_URL, "scopes": dict(SCOPES)},
}
Token = Annotated[str | None, Depends(OAuth2(flows=FLOWS, scheme_name="OAuth2", auto_error=False))]
KEY_HEADER: Any = {
    "alias": "Idempotency-Key",
    "max_length": 255,
    "description": "A fresh value for each new request, and the same one when it is repeated.",
    "examples": [KEY_EXAMPLE],
}
Key = Annotated[str, Header(**KEY_HEADER)]
RequiredKey = Annotated[str, Header(**KEY_HEADER, json_schema_extra=REQUIRED)]


@dataclass(frozen=True, slots=True)
class Call:
    """A caller's request on its way to the services."""

    caller: Caller
    metadata: tuple[tuple[str, str], ...]
    timeout: float = TIMEOUT_SECONDS


def identify(request: HTTPConnection) -> tuple[Caller, str]:
    """Tell who calls, and the authorization to forward; raise NotAuthenticated for a token that is not good."""
    authorization = request.headers.get("authorization", "")
    if not authorization:
        return Caller(), ""
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer":
        raise NotAuthenticated
    state = request.app.state
    claims = state.verifier.check(token, USER_TOKEN, now=state.clock.now())
    return caller_of(claims), f"Bearer {token}"


def token_ends_in(request: Request) -> float | None:
    """Tell for how many seconds the token that was sent is good; None without one."""
    _, authorization = identify(request)
    if not authorization:
        return None
    state = request.app.state
    now = state.clock.now()
    ends_at: int = state.verifier.check(authorization.removeprefix("Bearer "), USER_TOKEN, now=now)["exp"]
    return ends_at - float(now.timestamp())


def call_of(request: HTTPConnection, *, scopes: tuple[str, ...], timeout: float, key: str = "") -> Call:
    """Admit a caller early and gather what the services are told; they check the token again."""
    caller, authorization = identify(request)
    if not caller.subject:
        raise NotAuthenticated
    if scopes:
        needs(*scopes).admit(caller)
    return Call(caller, metadata_of(request, authorization, key), timeout)


def metadata_of(request: HTTPConnection, authorization: str, key: str = "") -> tuple[tuple[str, str], ...]:
    """Write the gRPC metadata of a call: the user, this process, the request, the trace, the key."""
    metadata: tuple[tuple[str, str], ...] = request.app.state.identity.metadata()
    if authorization:
        metadata += (("authorization", authorization),)
    if key:
        metadata += (("idempotency-key", key),)
    return metadata


async def anonymous_call(request: Request) -> Call:
    """Let anybody call; a token that is sent must be good all the same."""
    caller, authorization = identify(request)
    return Call(caller, metadata_of(request, authorization))


def signed_in(*scopes: str, timeout: float = TIMEOUT_SECONDS) -> Any:
    """Ask for a valid token that has any one of the scopes; without scopes, for any valid token."""

    async def call(request: Request, _token: Token) -> Call:
        return call_of(request, scopes=scopes, timeout=timeout)

    return Security(call, scopes=scopes)


def with_key(*scopes: str, timeout: float = TIMEOUT_SECONDS) -> Any:
    """Ask for what `signed_in` asks for and for an Idempotency-Key."""

    async def keyed(request: Request, _token: Token, key: RequiredKey = "") -> Call:
        call = call_of(request, scopes=scopes, timeout=timeout, key=key)
        if not KEY.fullmatch(key):
            raise MissingKey
        return call

    return Security(keyed, scopes=scopes)


Anonymous = Annotated[Call, Depends(anonymous_call)]
SignedIn = Annotated[Call, signed_in()]
