"""A person: a rider, a guest who has no account, or a member of staff."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from chassis.access import Caller
from chassis.errors import ForbiddenOperator
from gateway.accounts.domain.errors import MoreThanOwn
from gateway.accounts.domain.roles import ROLES, Role


@dataclass(frozen=True, slots=True)
class User:
    """A guest has neither e-mail nor password; only staff have an operator."""

    id: str
    role: Role
    created_at: datetime
    email: str | None = None
    name: str | None = None
    password_hash: str | None = None
    operator_id: str = ""

    @property
    def scopes(self) -> frozenset[str]:
        return ROLES[self.role]


def email_key(email: str) -> str:
    """Write an e-mail address so that the same one in other letters compares equal."""
    return email.strip().casefold()


def check_grant(creator: Caller, *, operator_id: str, scopes: Iterable[str]) -> None:
    """Let a creator give away only what is theirs: at their own operator, scopes that they have."""
    if not creator.works_for(operator_id):
        raise ForbiddenOperator(operator_id=operator_id)
    if lacking := set(scopes) - creator.scopes:
        raise MoreThanOwn(scope=" ".join(sorted(lacking)))
