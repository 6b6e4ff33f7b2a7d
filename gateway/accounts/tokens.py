"""Access tokens: what they claim and how long they last (https://www.rfc-editor.org/rfc/rfc9068)."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from chassis.clock import Clock
from chassis.ids import new_id
from chassis.keys import USER_TOKEN, Signer

AUDIENCE = "headway"
ACCESS_TTL = timedelta(seconds=600)
DEVICE_TTL = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Issued:
    """A signed token and when it ends."""

    token: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class AccessTokens:
    """Signs tokens with the gateway's key."""

    signer: Signer
    clock: Clock

    def issue(
        self, *, subject: str, scope: str, operator_id: str = "", vehicle_id: str = "", ttl: timedelta = ACCESS_TTL
    ) -> Issued:
        claims = {"sub": subject, "scope": scope, "aud": AUDIENCE, "jti": new_id("jti")}
        bound_to = {"operator_id": operator_id, "vehicle_id": vehicle_id}
        claims |= {name: value for name, value in bound_to.items() if value}
        now = self.clock.now()
        return Issued(self.signer.sign(claims, typ=USER_TOKEN.typ, now=now, ttl=ttl), now + ttl)
