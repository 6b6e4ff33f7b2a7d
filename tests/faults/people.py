"""One caller of every kind: each role, a guest, a device, a program and nobody, by the gateway's own data."""

from dataclasses import dataclass
from typing import Any

import httpx2

from gateway.accounts.domain.roles import ROLES, STAFF, Role
from tests.system.deadlines import until
from tests.system.journey import checked, coach, key, publish
from tests.system.running_stack import Stack, admin, client

PASSWORD = "correct horse battery"
OURS, FOREIGN = "demo", "other"
NOBODY, GUEST, DEVICE, PROGRAM = "nobody", "guest", "device", "program"


@dataclass(frozen=True)
class Person:
    """Somebody with a token, and what it carries."""

    name: str
    token: str
    scopes: frozenset[str]

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"} if self.token else {}


def everybody(stack: Stack) -> dict[str, Person]:
    """Let one of each kind sign in; staff work for one operator, the program for every one."""
    with admin(stack) as operator, client(stack) as anybody:
        program = operator.headers["Authorization"].partition(" ")[2]
        found = [
            Person(NOBODY, "", frozenset()),
            Person(GUEST, checked(anybody.post("/guests"), 201)["access_token"], ROLES[Role.RIDER]),
            Person(PROGRAM, program, ROLES[Role.OPERATOR]),
            Person(DEVICE, device_token(operator), frozenset({"positions:write"})),
            *(Person(role.value, token_of(operator, anybody, role), ROLES[role]) for role in Role),
        ]
    return {person.name: person for person in found}


def token_of(operator: httpx2.Client, anybody: httpx2.Client, role: Role) -> str:
    """Make an account of a role and sign in."""
    name = f"some.{role.value}@example.com"
    account: dict[str, Any] = {"email": name, "password": PASSWORD, "name": "Ada"}
    if role in STAFF:
        made = operator.post("/users", json={**account, "role": role.value, "operator_id": OURS})
    else:
        made = anybody.post("/riders", json=account)
    checked(made, 201)
    form = {"grant_type": "password", "username": name, "password": PASSWORD}
    return str(checked(anybody.post("/oauth/token", data=form), 200)["access_token"])


def device_token(operator: httpx2.Client) -> str:
    """Register a vehicle and give its device a token."""
    vehicle = checked(operator.post("/vehicles", json={"operator_id": OURS, "label": "Coach 7"}, headers=key()), 201)
    path = f"/vehicles/{vehicle['id']}"
    # The tracking service learns of the vehicle by an event, a moment later.
    until(lambda: operator.get(path).status_code == 200, seconds=10, what="the vehicle is tracked")
    return str(checked(operator.post(f"{path}/device-tokens"), 201)["token"])


def something_on_sale(stack: Stack) -> None:
    """Leave something that generated requests may find."""
    with admin(stack) as operator:
        publish(operator, coach(operator_id=OURS))
        publish(operator, coach(operator_id=FOREIGN))
