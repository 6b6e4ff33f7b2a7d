"""A session is a family of refresh tokens of which exactly one is live: each use puts a new one in its place."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

from chassis.errors import FieldError, InvalidInput

REFRESH_TTL = timedelta(days=30)
LOST_ANSWER = timedelta(seconds=10)


class Use(Enum):
    """What presenting a refresh token means."""

    ROTATE = "rotate"
    REPEAT = "repeat"
    REUSE = "reuse"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class RefreshToken:
    """One token of a family; `successor` is the digest of the token that was given for it."""

    digest: str
    family_id: str
    user_id: str
    scope: str
    issued_at: datetime
    expires_at: datetime
    used_at: datetime | None = None
    successor: str | None = None

    def judge(self, successor: "RefreshToken | None", *, now: datetime) -> Use:
        """Tell what to do for the bearer of this token.

        A phone whose answer was lost repeats within seconds, and a guest who is thrown out has no other way back to
        the bookings. So a repeat within ten seconds gets a new successor, but only while the first one is unused, and
        the first one is spent by that. One token of a family is live at any time: whoever holds the other one, thief
        or owner, ends the family by using it.
        """
        if now >= self.expires_at:
            return Use.EXPIRED
        if self.used_at is None:
            return Use.ROTATE
        is_fresh = self.successor is not None and now - self.used_at <= LOST_ANSWER
        return Use.REPEAT if is_fresh and successor is not None and successor.used_at is None else Use.REUSE


@dataclass(frozen=True, slots=True)
class Session:
    """What somebody who has just signed in is given; the refresh token in clear is told here once."""

    subject: str
    scope: str
    operator_id: str = ""
    # Empty for a client: it has a secret.
    refresh_token: str = ""


def granted(held: frozenset[str], wanted: str) -> frozenset[str]:
    """Choose the scopes that were asked for, all that are held when none were."""
    scopes = frozenset(wanted.split())
    if not scopes <= held:
        raise InvalidInput(errors=[FieldError("/scope", "A scope is unknown, or is not this account's to have.")])
    return scopes or held
