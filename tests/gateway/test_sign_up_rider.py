"""Riders make accounts."""

import asyncio
from typing import Any

import pytest

from tests.gateway.records import audited, rows
from tests.gateway.running import Running, problem

ADA = {"email": "Ada@Example.com", "password": "correct horse", "name": "Ada Lovelace"}


async def test_a_rider_signs_up_and_in(either_gateway: Running):
    reply = await either_gateway.client.post("/v1/riders", json=ADA)
    assert reply.status_code == 201
    rider = reply.json()
    assert rider["id"].startswith("usr_")
    assert (rider["email"], rider["name"], rider["role"]) == ("Ada@Example.com", "Ada Lovelace", "rider")
    assert rider["created_at"] == "2030-01-02T03:04:05.678901Z"
    assert "password" not in reply.text
    headers = await either_gateway.user("ada@example.com", "correct horse")
    assert (await either_gateway.client.get("/v1/me", headers=headers)).json()["id"] == rider["id"]
    assert ("signed_up", rider["id"], rider["id"], "") in await audited(either_gateway)


async def test_the_password_is_nowhere_in_the_database(either_gateway: Running):
    await either_gateway.client.post("/v1/riders", json=ADA)
    for table in ("users", "audit", "refresh_tokens"):
        assert "correct horse" not in str(await rows(either_gateway, table))
    (user,) = await rows(either_gateway, "users")
    assert user["password_hash"].startswith("$argon2id$")


@pytest.mark.parametrize("email", ["ada@example.com", "ADA@EXAMPLE.COM", " Ada@example.com "])
async def test_an_address_has_one_account_in_whatever_letters(either_gateway: Running, email: str):
    await either_gateway.client.post("/v1/riders", json=ADA)
    problem(await either_gateway.client.post("/v1/riders", json=ADA | {"email": email}), 409, "email_taken")


async def test_of_many_who_take_one_address_at_once_one_gets_it(either_gateway: Running):
    replies = await asyncio.gather(*(either_gateway.client.post("/v1/riders", json=ADA) for _ in range(10)))
    assert sorted(reply.status_code for reply in replies) == [201] + [409] * 9
    assert len(await rows(either_gateway, "users")) == 1


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"password": "nine char"}, "/password"),
        ({"password": "x" * 257}, "/password"),
        ({"password": 1234567890}, "/password"),
        ({"email": "nobody"}, "/email"),
        ({"email": "a b@example.com"}, "/email"),
        ({"email": "a@b@example.com"}, "/email"),
        ({"email": "@example.com"}, "/email"),
        ({"email": "a@example.com\nBcc: b@example.com"}, "/email"),
        ({"email": "x" * 65 + "@example.com"}, "/email"),
        ({"email": "a@" + "x" * 250}, "/email"),
        ({"email": None}, "/email"),
        ({"name": ""}, "/name"),
        ({"name": "x" * 201}, "/name"),
        ({"role": "operator"}, "/role"),
        ({"operator_id": "*"}, "/operator_id"),
        ({"id": "usr_1"}, "/id"),
    ],
)
async def test_what_is_no_account_is_refused(shared: Running, changes: dict[str, Any], pointer: str):
    document = problem(await shared.client.post("/v1/riders", json=ADA | changes), 422, "invalid_value")
    assert [error["pointer"] for error in document["errors"]] == [pointer]


async def test_spaces_belong_to_a_password(gateway: Running):
    spaced = {"email": "eve@example.com", "password": "  eight..  "}
    assert (await gateway.client.post("/v1/riders", json=spaced)).status_code == 201
    await gateway.user("eve@example.com", "  eight..  ")
    refused = {"grant_type": "password", "username": "eve@example.com", "password": "eight.."}
    problem(await gateway.client.post("/v1/oauth/token", data=refused), 401, "unauthenticated")
