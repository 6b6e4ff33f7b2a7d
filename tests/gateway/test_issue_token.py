"""Tokens for who knows a password, holds a refresh token or has a client's secret."""

import asyncio
import base64
import json
from pathlib import Path
from typing import Any

import pytest

from chassis.access import caller_of
from chassis.keys import USER_TOKEN
from gateway.accounts.domain.roles import SCOPES
from tests.clocks import FixedClock
from tests.gateway.records import audited, rows
from tests.gateway.running import ADMIN_SECRET, DEMO_PASSWORD, Running, bearer, problem, running, settings_for

ADA = {"email": "ada@example.com", "password": "correct horse"}
PASSWORD = {"grant_type": "password", "username": "ada@example.com", "password": "correct horse"}
ADMIN = {"grant_type": "client_credentials", "client_id": "headway-admin", "client_secret": ADMIN_SECRET}


async def ask(gateway: Running, form: dict[str, str], **options: Any) -> Any:
    return await gateway.client.post("/v1/oauth/token", data=form, **options)


async def session_of(gateway: Running) -> dict[str, Any]:
    await gateway.client.post("/v1/riders", json=ADA)
    reply = await ask(gateway, PASSWORD)
    assert reply.status_code == 200, reply.text
    return dict(reply.json())


async def refresh(gateway: Running, token: str) -> Any:
    return await ask(gateway, {"grant_type": "refresh_token", "refresh_token": token})


async def refreshed(gateway: Running, token: str) -> str:
    reply = await refresh(gateway, token)
    assert reply.status_code == 200, reply.text
    return str(reply.json()["refresh_token"])


def claims_of(token: str) -> dict[str, Any]:
    return dict(json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "==")))


async def test_the_answer_is_what_oauth_clients_expect(either_gateway: Running):
    await either_gateway.client.post("/v1/riders", json=ADA)
    reply = await ask(either_gateway, PASSWORD)
    assert reply.headers["cache-control"] == "no-store"
    assert set(reply.json()) == {"access_token", "token_type", "expires_in", "refresh_token", "scope"}


async def test_an_access_token_says_who_and_what_and_until_when(either_gateway: Running, clock: FixedClock):
    session = await session_of(either_gateway)
    claims = claims_of(session["access_token"])
    now = int(clock.now().timestamp())
    assert claims["jti"].startswith("jti_")
    del claims["jti"]
    assert claims == {
        "sub": claims["sub"],
        "scope": "bookings",
        "aud": "headway",
        "iss": "gateway",
        "iat": now,
        "exp": now + 600,
    }
    header = json.loads(base64.urlsafe_b64decode(session["access_token"].split(".")[0] + "=="))
    assert header == {"alg": "Ed25519", "kid": "gateway", "typ": "at+jwt"}


@pytest.mark.parametrize("changes", [{"password": "wrong horse"}, {"username": "bob@example.com"}])
async def test_a_wrong_password_and_an_unknown_name_are_answered_alike(
    either_gateway: Running, changes: dict[str, str]
):
    await either_gateway.client.post("/v1/riders", json=ADA)
    document = problem(await ask(either_gateway, PASSWORD | changes), 401, "unauthenticated")
    assert document["detail"] == "The name or the secret is wrong."
    assert document["facts"] == {}


async def test_a_refused_sign_in_is_written_down_without_what_was_typed(either_gateway: Running):
    session = await session_of(either_gateway)
    subject = claims_of(session["access_token"])["sub"]
    await ask(either_gateway, PASSWORD | {"password": "typed by mistake"})
    await ask(either_gateway, PASSWORD | {"username": "typed by mistake"})
    entries = await audited(either_gateway)
    assert [entry for entry in entries if entry[0] == "sign_in_refused"] == [
        ("sign_in_refused", subject, "", ""),
        ("sign_in_refused", "", "", ""),
    ]
    assert "typed by mistake" not in str(await rows(either_gateway, "audit"))


async def test_a_guest_has_no_password_to_guess(either_gateway: Running):
    await either_gateway.guest()
    for name in ("", "None", "null"):
        reply = await ask(either_gateway, PASSWORD | {"username": name})
        assert reply.status_code in {401, 422}


@pytest.mark.parametrize(
    ("form", "pointers"),
    [
        ({}, ["/grant_type"]),
        ({"grant_type": "implicit"}, ["/grant_type"]),
        ({"grant_type": "password"}, ["/username", "/password"]),
        ({"grant_type": "refresh_token"}, ["/refresh_token"]),
        ({"grant_type": "client_credentials"}, ["/client_id", "/client_secret"]),
        ({"grant_type": "client_credentials", "client_id": "x"}, ["/client_secret"]),
        (PASSWORD | {"password": "x" * 257}, ["/password"]),
    ],
)
async def test_a_form_that_lacks_something_says_what(shared: Running, form: dict[str, str], pointers: list[str]):
    document = problem(await ask(shared, form), 422, "invalid_value")
    assert [error["pointer"] for error in document["errors"]] == pointers


async def test_unknown_fields_of_a_form_are_ignored_as_the_standard_wants(either_gateway: Running):
    await either_gateway.client.post("/v1/riders", json=ADA)
    assert (await ask(either_gateway, PASSWORD | {"audience": "x", "resource": "y"})).status_code == 200


async def test_a_scope_can_be_left_out_and_not_added(either_gateway: Running):
    admin = await ask(either_gateway, ADMIN | {"scope": "reports fares:write"})
    assert admin.json()["scope"] == "fares:write reports"
    for scope in ("reports nonsense", "openid"):
        document = problem(await ask(either_gateway, ADMIN | {"scope": scope}), 422, "invalid_value")
        assert document["errors"][0]["pointer"] == "/scope"


# Refresh tokens


async def test_a_refresh_token_is_answered_with_the_next(either_gateway: Running):
    session = await session_of(either_gateway)
    token = session["refresh_token"]
    seen = {token}
    for _ in range(5):
        token = await refreshed(either_gateway, token)
        assert token not in seen
        seen.add(token)


async def test_only_digests_of_refresh_tokens_are_kept(either_gateway: Running):
    session = await session_of(either_gateway)
    assert session["refresh_token"] not in str(await rows(either_gateway, "refresh_tokens"))
    assert len(base64.urlsafe_b64decode(session["refresh_token"] + "=")) == 32


async def test_using_an_old_refresh_token_ends_the_whole_session(either_gateway: Running, clock: FixedClock):
    first = (await session_of(either_gateway))["refresh_token"]
    second = await refreshed(either_gateway, first)
    third = await refreshed(either_gateway, second)
    clock.advance(11)
    problem(await refresh(either_gateway, first), 401, "unauthenticated")
    for token in (third, second, first):
        problem(await refresh(either_gateway, token), 401, "unauthenticated")
    assert await rows(either_gateway, "refresh_tokens") == []
    assert [entry[0] for entry in await audited(either_gateway)].count("family_revoked") == 1


async def test_ending_one_session_leaves_the_others(either_gateway: Running, clock: FixedClock):
    first = (await session_of(either_gateway))["refresh_token"]
    other = (await ask(either_gateway, PASSWORD)).json()["refresh_token"]
    await refreshed(either_gateway, first)
    clock.advance(11)
    problem(await refresh(either_gateway, first), 401, "unauthenticated")
    await refreshed(either_gateway, other)


async def test_a_repeat_after_a_lost_answer_goes_on(either_gateway: Running, clock: FixedClock):
    first = (await session_of(either_gateway))["refresh_token"]
    await refresh(either_gateway, first)
    clock.advance(9)
    second = await refreshed(either_gateway, first)
    await refreshed(either_gateway, second)


async def test_whoever_has_the_answer_that_was_called_lost_ends_the_session(either_gateway: Running):
    """A thief who repeats within the ten seconds is found out by the owner's next use, or the other way round."""
    first = (await session_of(either_gateway))["refresh_token"]
    owners = await refreshed(either_gateway, first)
    thiefs = await refreshed(either_gateway, first)
    problem(await refresh(either_gateway, owners), 401, "unauthenticated")
    problem(await refresh(either_gateway, thiefs), 401, "unauthenticated")


async def test_repeats_do_not_stretch_the_ten_seconds(either_gateway: Running, clock: FixedClock):
    first = (await session_of(either_gateway))["refresh_token"]
    await refreshed(either_gateway, first)
    for _ in range(3):
        clock.advance(3)
        await refreshed(either_gateway, first)
    clock.advance(3)
    problem(await refresh(either_gateway, first), 401, "unauthenticated")


async def test_of_many_repeats_at_once_the_last_answer_goes_on_alone(either_gateway: Running):
    first = (await session_of(either_gateway))["refresh_token"]
    replies = await asyncio.gather(*(refresh(either_gateway, first) for _ in range(8)))
    assert {reply.status_code for reply in replies} == {200}
    live = [row for row in await rows(either_gateway, "refresh_tokens") if row["used_at"] is None]
    assert len(live) == 1


async def test_a_refresh_token_ends_after_thirty_days_without_use(either_gateway: Running, clock: FixedClock):
    token = (await session_of(either_gateway))["refresh_token"]
    clock.advance(29 * 86_400)
    token = await refreshed(either_gateway, token)
    clock.advance(30 * 86_400)
    problem(await refresh(either_gateway, token), 401, "unauthenticated")


@pytest.mark.parametrize("token", ["x", "A" * 43, "a" * 256, "' OR 1=1 --", "\u00e9" * 20])
async def test_what_is_no_refresh_token_is_refused(shared: Running, token: str):
    problem(await refresh(shared, token), 401, "unauthenticated")


async def test_a_refresh_keeps_the_scope_that_was_chosen(either_gateway: Running, tmp_path: Path):
    await either_gateway.client.post("/v1/riders", json=ADA)
    reply = await ask(either_gateway, PASSWORD | {"scope": "bookings"})
    after = await refresh(either_gateway, reply.json()["refresh_token"])
    assert after.json()["scope"] == "bookings"


# Clients


async def test_the_administration_has_every_scope_at_every_operator(either_gateway: Running, clock: FixedClock):
    reply = await ask(either_gateway, ADMIN)
    assert "refresh_token" not in reply.json()
    assert set(reply.json()["scope"].split()) == set(SCOPES)
    verifier = either_gateway.app.state.verifier
    caller = caller_of(verifier.check(reply.json()["access_token"], USER_TOKEN, now=clock.now()))
    assert caller.works_for("any operator")
    assert ("signed_in", "headway-admin", "headway-admin", "") in await audited(either_gateway)


async def test_a_client_signs_in_by_basic_authentication_too(either_gateway: Running):
    form = {"grant_type": "client_credentials"}
    assert (await ask(either_gateway, form, auth=("headway-admin", ADMIN_SECRET))).status_code == 200
    problem(await ask(either_gateway, form, auth=("headway-admin", "wrong")), 401, "unauthenticated")


@pytest.mark.parametrize("changes", [{"client_secret": "wrong"}, {"client_id": "cli_unknown"}, {"client_id": "*"}])
async def test_a_wrong_secret_and_an_unknown_client_are_answered_alike(shared: Running, changes: dict[str, str]):
    document = problem(await ask(shared, ADMIN | changes), 401, "unauthenticated")
    assert document["detail"] == "The name or the secret is wrong."


async def test_a_password_form_is_not_disturbed_by_empty_basic_authentication(either_gateway: Running):
    """Swagger UI sends one with every sign-in."""
    await either_gateway.client.post("/v1/riders", json=ADA)
    assert (await ask(either_gateway, PASSWORD, auth=("", ""))).status_code == 200


async def test_the_administration_is_renewed_when_its_secret_changes(database_url: str, tmp_path: Path):
    async with running(settings_for(database_url, tmp_path)):
        pass
    async with running(settings_for(database_url, tmp_path, admin_client_secret="another secret")) as gateway:
        problem(await ask(gateway, ADMIN), 401, "unauthenticated")
        assert (await ask(gateway, ADMIN | {"client_secret": "another secret"})).status_code == 200


async def test_without_a_secret_in_the_settings_there_is_no_administration(database_url: str, tmp_path: Path):
    async with running(settings_for(database_url, tmp_path, admin_client_secret="")) as gateway:
        problem(await ask(gateway, ADMIN), 401, "unauthenticated")


# The demo's users


async def test_the_demo_has_a_rider_a_driver_and_an_operator(database_url: str, tmp_path: Path):
    settings = settings_for(database_url, tmp_path, demo_password=DEMO_PASSWORD, demo_operator_id="demo")
    for _ in range(2):  # a restart keeps them
        async with running(settings) as gateway:
            for role, operator in (("rider", None), ("driver", "demo"), ("operator", "demo")):
                headers = await gateway.user(f"{role}@example.com")
                me = (await gateway.client.get("/v1/me", headers=headers)).json()
                assert (me["role"], me["operator_id"]) == (role, operator)
            assert len(await rows(gateway, "users")) == 3


async def test_the_demos_password_is_renewed_when_it_changes(database_url: str, tmp_path: Path):
    async with running(settings_for(database_url, tmp_path, demo_password=DEMO_PASSWORD)):
        pass
    async with running(settings_for(database_url, tmp_path, demo_password="another password")) as gateway:
        await gateway.user("rider@example.com", "another password")


# Two gateways on one database


async def test_another_gateway_on_the_same_database_takes_the_tokens(postgresql_url: str, tmp_path: Path):
    settings = settings_for(postgresql_url, tmp_path)
    async with running(settings) as one, running(settings) as other:
        session = await session_of(one)
        assert (await other.client.get("/v1/me", headers=bearer(session["access_token"]))).status_code == 200
        await refreshed(other, session["refresh_token"])


async def test_two_gateways_give_one_refresh_token_one_live_successor(postgresql_url: str, tmp_path: Path):
    settings = settings_for(postgresql_url, tmp_path)
    async with running(settings) as one, running(settings) as other:
        token = (await session_of(one))["refresh_token"]
        replies = await asyncio.gather(*(refresh(gateway, token) for gateway in (one, other) * 10))
        assert {reply.status_code for reply in replies} <= {200, 401}
        live = [row for row in await rows(one, "refresh_tokens") if row["used_at"] is None]
        assert len(live) <= 1


async def test_two_gateways_give_one_address_one_account(postgresql_url: str, tmp_path: Path):
    settings = settings_for(postgresql_url, tmp_path)
    async with running(settings) as one, running(settings) as other:
        asked = (gateway.client.post("/v1/riders", json=ADA) for gateway in (one, other) * 5)
        replies = await asyncio.gather(*asked)
        assert sorted(reply.status_code for reply in replies) == [201] + [409] * 9
