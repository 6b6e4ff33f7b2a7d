"""Staff are made by staff, and nobody gives away more than they have."""

from typing import Any

import pytest

from gateway.accounts.domain.roles import ROLES, SCOPES, STAFF, Role
from tests.gateway.records import audited
from tests.gateway.running import Running, problem

PASSWORD = "correct horse"


def person(role: str, email: str | None = None, **changes: Any) -> dict[str, Any]:
    return {"email": email or f"{role}@demo.example", "password": PASSWORD, "role": role, **changes}


async def made(gateway: Running, headers: dict[str, str], body: dict[str, Any]) -> dict[str, str]:
    """Make a user and return their headers."""
    reply = await gateway.client.post("/v1/users", json=body, headers=headers)
    assert reply.status_code == 201, reply.text
    return await gateway.user(body["email"], PASSWORD)


async def operator_of(gateway: Running, operator_id: str) -> dict[str, str]:
    body = person("operator", f"boss@{operator_id}.example", operator_id=operator_id)
    return await made(gateway, await gateway.admin(), body)


def test_every_role_has_scopes_that_there_are():
    assert set(ROLES) == set(Role)
    for role, scopes in ROLES.items():
        assert scopes, role
        assert scopes <= set(SCOPES)


def test_every_scope_can_be_had():
    assert set().union(*ROLES.values()) == set(SCOPES)


@pytest.mark.parametrize("role", sorted(STAFF))
async def test_an_operator_makes_staff_of_every_role(either_gateway: Running, role: Role):
    boss = await operator_of(either_gateway, "demo")
    headers = await made(either_gateway, boss, person(role))
    me = (await either_gateway.client.get("/v1/me", headers=headers)).json()
    assert (me["role"], me["operator_id"], set(me["scopes"])) == (role, "demo", ROLES[role])


async def test_who_made_whom_is_written_down(either_gateway: Running):
    boss = await operator_of(either_gateway, "demo")
    maker = (await either_gateway.client.get("/v1/me", headers=boss)).json()["id"]
    reply = await either_gateway.client.post("/v1/users", json=person("driver"), headers=boss)
    assert ("user_created", reply.json()["id"], maker, "driver") in await audited(either_gateway)


@pytest.mark.parametrize("operator_id", ["other", "*", "Demo", "demo2"])
async def test_nobody_makes_staff_of_another_operator(either_gateway: Running, operator_id: str):
    boss = await operator_of(either_gateway, "demo")
    body = person("driver", operator_id=operator_id)
    document = problem(await either_gateway.client.post("/v1/users", json=body, headers=boss), 403, "forbidden")
    assert document["facts"] == {"operator_id": operator_id}
    assert document["detail"] == "Your token does not work for this operator."


async def test_nobody_makes_staff_that_may_more_than_they(either_gateway: Running):
    """A token of an operator that carries users:write alone gives nothing else away."""
    await operator_of(either_gateway, "demo")
    form = {"grant_type": "password", "username": "boss@demo.example", "password": PASSWORD}
    weak = {"Authorization": f"Bearer {await either_gateway.token(**form, scope='users:write')}"}
    for role in STAFF:
        document = problem(
            await either_gateway.client.post("/v1/users", json=person(role), headers=weak), 403, "forbidden"
        )
        assert set(document["facts"]["scope"].split()) == ROLES[role] - {"users:write"}


async def test_staff_without_the_scope_make_nobody(either_gateway: Running):
    boss = await operator_of(either_gateway, "demo")
    driver = await made(either_gateway, boss, person("driver"))
    body = person("driver", "second@demo.example")
    problem(await either_gateway.client.post("/v1/users", json=body, headers=driver), 403, "forbidden")


async def test_who_works_for_every_operator_names_one(either_gateway: Running):
    admin = await either_gateway.admin()
    document = problem(
        await either_gateway.client.post("/v1/users", json=person("driver"), headers=admin), 422, "invalid_value"
    )
    assert document["errors"][0]["pointer"] == "/operator_id"
    everywhere = await made(either_gateway, admin, person("operator", operator_id="*"))
    assert (await either_gateway.client.get("/v1/me", headers=everywhere)).json()["operator_id"] == "*"


@pytest.mark.parametrize(
    "changes", [{"role": "rider"}, {"role": "admin"}, {"scopes": ["reports"]}, {"operator_id": ""}]
)
async def test_what_is_no_member_of_staff_is_refused(shared: Running, changes: dict[str, Any]):
    body = person("driver", operator_id="demo") | changes
    reply = await shared.client.post("/v1/users", json=body, headers=await shared.admin())
    problem(reply, 422, "invalid_value")


async def test_an_address_has_one_account_among_staff_and_riders(either_gateway: Running):
    rider = {"email": "Driver@demo.example", "password": PASSWORD}
    await either_gateway.client.post("/v1/riders", json=rider)
    boss = await operator_of(either_gateway, "demo")
    problem(await either_gateway.client.post("/v1/users", json=person("driver"), headers=boss), 409, "email_taken")
