"""Who calls, and what each RPC asks of its caller. An RPC without a rule is not served."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from chassis.errors import Forbidden, NotAuthenticated
from chassis.keys import SERVICE_TOKEN, USER_TOKEN, Verifier

ANY_OPERATOR = "*"


@dataclass(frozen=True, slots=True)
class Caller:
    """Who is calling, as a checked token says; the anonymous caller has no subject."""

    subject: str = ""
    scopes: frozenset[str] = frozenset()
    # The operator a member of staff works for; "*" is every operator.
    operator_id: str = ""
    # The vehicle that a device token is bound to.
    vehicle_id: str = ""
    # The process that calls, when it calls in its own name too.
    service: str = ""

    def has(self, scope: str) -> bool:
        return scope in self.scopes

    def works_for(self, operator_id: str) -> bool:
        """Tell whether an operator's things are this caller's to handle."""
        return self.operator_id == ANY_OPERATOR or (bool(operator_id) and self.operator_id == operator_id)


@dataclass(frozen=True, slots=True)
class Access:
    """What a caller must bring: any of the scopes, or be one of our own processes, or nothing."""

    scopes: frozenset[str] = frozenset()
    is_public: bool = False
    is_for_services: bool = False

    def admit(self, caller: Caller) -> None:
        """Let a caller in, or raise NotAuthenticated or Forbidden."""
        if self.is_public or (self.is_for_services and caller.service):
            return
        if not caller.subject:
            raise NotAuthenticated
        if not self.scopes & caller.scopes:
            raise Forbidden(scope=" or ".join(sorted(self.scopes)) or "none")


PUBLIC = Access(is_public=True)
SERVICES = Access(is_for_services=True)
Rules = Mapping[str, Access]
"""Full method name -> what it asks, for example /headway.booking.v1.BookingService/HoldBooking."""


def needs(*scopes: str) -> Access:
    """Ask for any one of the scopes."""
    return Access(frozenset(scopes))


def identify(metadata: Mapping[str, str], verifier: Verifier, *, now: datetime) -> Caller:
    """Tell who calls by the tokens in the metadata; none at all is the anonymous caller."""
    service = ""
    if token := metadata.get("x-headway-service"):
        service = str(verifier.check(token, SERVICE_TOKEN, now=now)["iss"])
    scheme, _, token = metadata.get("authorization", "").partition(" ")
    if not scheme:
        return Caller(service=service)
    if scheme.lower() != "bearer":
        raise NotAuthenticated
    return caller_of(verifier.check(token, USER_TOKEN, now=now), service=service)


def caller_of(claims: Mapping[str, object], *, service: str = "") -> Caller:
    """Read the caller out of a checked user token."""
    return Caller(
        subject=str(claims.get("sub", "")),
        scopes=frozenset(str(claims.get("scope", "")).split()),
        operator_id=str(claims.get("operator_id", "")),
        vehicle_id=str(claims.get("vehicle_id", "")),
        service=service,
    )
