"""Nobody gets through a door that is not theirs: forged tokens, roles and other people's things, at every door.

What each door asks comes from the API's description and the services' rules, what each role has from the accounts.
"""

from collections.abc import Callable

import grpc
import httpx2
import pytest

from tests.faults.doors import ask, call, channels, operations, rpcs
from tests.faults.forged import FORGED, Forger
from tests.faults.people import PROGRAM, Person
from tests.system.running_stack import Stack

OPERATIONS, RPCS = operations(), rpcs()
UNAUTHENTICATED, TOO_LONG = grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.RESOURCE_EXHAUSTED
CLOSED = (UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED)


@pytest.fixture
def http(stack: Stack) -> httpx2.Client:
    with httpx2.Client(base_url=stack.url, timeout=20) as opened:
        yield opened


@pytest.fixture
def forger(stack: Stack, people: dict[str, Person]) -> Forger:
    return Forger(stack.folder / "keys" / "private", people[PROGRAM].token)


def test_a_good_token_opens_what_the_forged_ones_are_tried_at(
    http: httpx2.Client, people: dict[str, Person], forger: Forger
) -> None:
    for token in (people[PROGRAM].token, forger.signed(by="gateway")):
        assert http.get("/v1/me", headers={"Authorization": f"Bearer {token}"}).status_code == 200


def test_there_are_forty_forgeries(keep_figures: Callable[..., None]) -> None:
    assert len(FORGED) >= 40
    keep_figures("tokens", kinds=len(FORGED), operations=len(OPERATIONS), rpcs=len(RPCS))


@pytest.mark.parametrize("kind", FORGED)
def test_no_operation_believes_a_forged_token(kind: str, http: httpx2.Client, forger: Forger) -> None:
    headers = {"Authorization": f"Bearer {FORGED[kind](forger)}"}
    for operation in OPERATIONS:
        reply = ask(http, operation, headers)
        if operation.scopes is None:
            # Where nobody needs a token, a wrong one is refused or not looked at; it never breaks anything.
            assert reply.status_code < 500, operation.name
        else:
            assert reply.status_code == 401, f"{operation.name}: {reply.status_code} {reply.text}"
            assert reply.json()["code"] == "unauthenticated", operation.name


@pytest.mark.parametrize("kind", FORGED)
def test_no_rpc_believes_a_forged_token(kind: str, stack: Stack, forger: Forger) -> None:
    token = FORGED[kind](forger)
    metadata = (("authorization", f"Bearer {token}"),)
    with channels(stack) as opened:
        for rpc in RPCS:
            code = call(opened[rpc.service], rpc, b"", metadata=metadata).code
            # gRPC itself refuses headers that are too long.
            assert code is UNAUTHENTICATED or (code is TOO_LONG and len(token) > 8000), f"{rpc.name}: {code}"


def test_every_role_opens_what_its_scopes_open_and_nothing_else(
    http: httpx2.Client, people: dict[str, Person], keep_figures: Callable[..., None]
) -> None:
    cells = 0
    for operation in OPERATIONS:
        for person in people.values():
            reply = ask(http, operation, person.headers)
            where = f"{operation.name} as {person.name}: {reply.status_code} {reply.text[:300]}"
            cells += 1
            if operation.scopes is None:
                assert reply.status_code != 403, where
            elif not person.token:
                assert reply.status_code == 401, where
            elif operation.scopes and not operation.scopes & person.scopes:
                assert reply.status_code == 403, where
                assert reply.json()["code"] == "forbidden", where
            else:
                # What is behind the door is not theirs or not there; the door is open.
                is_about_operators = reply.status_code == 403 and "scope" not in reply.json()["facts"]
                assert reply.status_code not in (401, 403) or is_about_operators, where
    keep_figures("roles-rest", cells=cells, operations=len(OPERATIONS), roles=len(people))


def test_every_role_calls_what_its_scopes_allow_and_nothing_else(
    stack: Stack, people: dict[str, Person], keep_figures: Callable[..., None]
) -> None:
    cells = 0
    with channels(stack) as opened:
        for rpc in RPCS:
            for person in people.values():
                metadata = tuple((name.lower(), value) for name, value in person.headers.items())
                code = call(opened[rpc.service], rpc, b"", metadata=metadata).code
                where = f"{rpc.name} as {person.name}: {code}"
                cells += 1
                if rpc.access.is_public or rpc.access.scopes & person.scopes:
                    assert code is not UNAUTHENTICATED, where
                else:
                    assert code is CLOSED[bool(person.token)], where
    keep_figures("roles-grpc", cells=cells, rpcs=len(RPCS), roles=len(people))
