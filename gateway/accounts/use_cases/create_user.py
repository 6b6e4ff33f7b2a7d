"""Make an account for a member of staff."""

from chassis.access import Caller
from chassis.errors import FieldError, InvalidInput
from gateway.accounts.domain.audit import Entry, Event
from gateway.accounts.domain.roles import ROLES, STAFF, Role
from gateway.accounts.domain.users import User, check_grant
from gateway.accounts.store.work import Work


def create_user(
    work: Work,
    *,
    caller: Caller,
    email: str,
    name: str | None,
    role: Role,
    operator_id: str,
    password_hash: str,
    address: str,
) -> User:
    """Make an account for a member of staff, with no more than its maker's own rights."""
    if role not in STAFF:
        raise InvalidInput(errors=[FieldError("/role", "Riders sign up by themselves.")])
    check_grant(caller, operator_id=operator_id, scopes=ROLES[role])
    user = User(work.new_id("usr"), role, work.now, email, name, password_hash, operator_id)
    work.users.add(user)
    work.audit.add(Entry(Event.USER_CREATED, user.id, caller.subject, address, role))
    return user
