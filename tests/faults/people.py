"""One caller of every kind: each role, a guest, a device, a program and nobody, by the gateway's own data."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx2

from gateway.accounts.domain.roles import ROLES, STAFF, Role
from gateway.accounts.tokens import ACCESS_TTL
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


class Crowd:
    """Accounts of every kind on a system that has something to find; who asks late gets new tokens."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._people: dict[str, Person] = {}
        self._until_seconds = 0.0
        with admin(stack) as operator, client(stack) as anybody:
            something_on_sale(operator)
            for role in Role:
                create_account(operator, anybody, role)
            self._device_token = device_token(operator)
            self._guest = checked(anybody.post("/guests"), 201)

    def signed_in(self, *, now_seconds: float) -> dict[str, Person]:
        """Let one of each kind sign in; staff work for one operator, the program for every one."""
        if now_seconds >= self._until_seconds:
            self._people = {person.name: person for person in self._everybody()}
            self._until_seconds = now_seconds + ACCESS_TTL.total_seconds() / 3
        return self._people

    def _everybody(self) -> Iterator[Person]:
        with admin(self._stack) as operator, client(self._stack) as anybody:
            yield Person(NOBODY, "", frozenset())
            # A guest who came anew would be another, to whom nothing belongs.
            form = {"grant_type": "refresh_token", "refresh_token": self._guest["refresh_token"]}
            self._guest = checked(anybody.post("/oauth/token", data=form), 200)
            yield Person(GUEST, self._guest["access_token"], ROLES[Role.RIDER])
            yield Person(PROGRAM, operator.headers["Authorization"].partition(" ")[2], ROLES[Role.OPERATOR])
            yield Person(DEVICE, self._device_token, frozenset({"positions:write"}))
            for role in Role:
                yield Person(role.value, token_of(anybody, role), ROLES[role])


def email_of(role: Role) -> str:
    return f"some.{role.value}@example.com"


def create_account(operator: httpx2.Client, anybody: httpx2.Client, role: Role) -> None:
    account: dict[str, Any] = {"email": email_of(role), "password": PASSWORD, "name": "Ada"}
    if role in STAFF:
        made = operator.post("/users", json={**account, "role": role.value, "operator_id": OURS})
    else:
        made = anybody.post("/riders", json=account)
    checked(made, 201)


def token_of(anybody: httpx2.Client, role: Role) -> str:
    form = {"grant_type": "password", "username": email_of(role), "password": PASSWORD}
    return str(checked(anybody.post("/oauth/token", data=form), 200)["access_token"])


def device_token(operator: httpx2.Client) -> str:
    """Register a vehicle and give its device a token."""
    vehicle_id = tracked_vehicle(operator, OURS)
    return str(checked(operator.post(f"/vehicles/{vehicle_id}/device-tokens"), 201)["token"])


def tracked_vehicle(operator: httpx2.Client, operator_id: str) -> str:
    """Register a vehicle; the tracking service learns of it by an event, a moment later."""
    wanted = {"operator_id": operator_id, "label": "Coach 7"}
    vehicle_id = str(checked(operator.post("/vehicles", json=wanted, headers=key()), 201)["id"])
    until(lambda: operator.get(f"/vehicles/{vehicle_id}").status_code == 200, seconds=10, what="it is tracked")
    return vehicle_id


def something_on_sale(operator: httpx2.Client) -> None:
    """Leave something that generated requests may find."""
    publish(operator, coach(operator_id=OURS))
    publish(operator, coach(operator_id=FOREIGN))
