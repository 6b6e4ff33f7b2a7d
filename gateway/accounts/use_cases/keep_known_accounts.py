"""Make or renew the accounts that the settings name."""

from dataclasses import dataclass

from chassis.access import ANY_OPERATOR
from gateway.accounts.domain.clients import Client, digest_of
from gateway.accounts.domain.roles import SCOPES, Role
from gateway.accounts.domain.users import User
from gateway.accounts.store.work import Work

ADMIN_CLIENT_ID = "headway-admin"
OURSELVES = "settings"


@dataclass(frozen=True, slots=True)
class KnownUser:
    email: str
    role: Role
    password_hash: str
    operator_id: str = ""


def keep_admin_client(work: Work, *, secret: str) -> None:
    """Make or renew the client that has every scope at every operator."""
    admin = Client(
        ADMIN_CLIENT_ID, "Administration", digest_of(secret), frozenset(SCOPES), ANY_OPERATOR, OURSELVES, work.now
    )
    work.clients.put(admin)


def keep_known_users(work: Work, *, users: list[KnownUser]) -> None:
    """Make users with fixed addresses, or set their passwords again."""
    for known in users:
        present = work.users.find_by_email(known.email)
        if present is not None:
            work.users.set_password(present.id, known.password_hash)
        else:
            user = User(
                work.new_id("usr"), known.role, work.now, known.email, None, known.password_hash, known.operator_id
            )
            work.users.add(user)
