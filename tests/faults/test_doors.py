"""Nobody gets through a door that is not theirs: forged tokens, roles and other people's things, at every door.

What each door asks comes from the API's description and the services' rules, what each role has from the accounts.
"""

from collections.abc import Callable
from datetime import timedelta

import grpc
import httpx2
import pytest

from tests.faults.doors import ask, call, channels, operations, rpcs
from tests.faults.forged import FORGED, Forger
from tests.faults.people import FOREIGN, OURS, PROGRAM, Person
from tests.system.journey import checked, coach, hold, key, leg_of, publish, quote
from tests.system.running_stack import Stack, admin, client, guest

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


@pytest.fixture(scope="session")
def things(stack: Stack) -> dict[str, str]:
    """Things of another operator and of another rider, by the name of the parameter that names them."""
    with admin(stack) as operator, guest(stack) as rider:
        departure = publish(operator, coach(operator_id=FOREIGN, starts_in=timedelta(days=3)))
        vehicle = checked(operator.post("/vehicles", json={"operator_id": FOREIGN, "label": "7"}, headers=key()), 201)
        booking = hold(rider, quote(rider, leg_of(departure)))
    return {"departure_id": departure["id"], "vehicle_id": vehicle["id"], "booking_id": booking["id"]}


ABSENT = {"departure_id": "dep_none", "vehicle_id": "veh_none", "booking_id": "bkg_none"}


def test_what_is_somebody_else_s_looks_as_if_it_were_not_there(
    http: httpx2.Client, people: dict[str, Person], things: dict[str, str], keep_figures: Callable[..., None]
) -> None:
    cells = 0
    for operation in OPERATIONS:
        named = things.keys() & set(operation.parameters)
        if not named or not operation.scopes:
            continue
        for person in people.values():
            if person.name == PROGRAM:
                continue
            foreign, absent = (
                ask(http, operation, person.headers, **{name: of[name] for name in named}) for of in (things, ABSENT)
            )
            where = (
                f"{operation.name} as {person.name}: {foreign.status_code} {foreign.text[:300]}, {absent.text[:300]}"
            )
            cells += 1
            assert foreign.status_code >= 400, where
            assert told(foreign) == told(absent), where
    assert cells > 50
    keep_figures("foreign-rest", cells=cells)


def told(reply: httpx2.Response) -> tuple[object, ...]:
    """Read what tells one refusal from another, but for the names that the caller has sent."""
    problem = reply.json()
    return reply.status_code, problem["code"], problem["detail"], sorted(problem["facts"]), problem.get("errors")


def test_no_rpc_tells_what_is_somebody_else_s(
    stack: Stack, people: dict[str, Person], things: dict[str, str], keep_figures: Callable[..., None]
) -> None:
    from google.protobuf import message_factory

    cells = 0
    with channels(stack) as opened:
        for rpc in RPCS:
            named = things.keys() & rpc.fields
            if not named or rpc.access.is_public or (named == {"departure_id"} and rpc.method.startswith("Watch")):
                continue  # how a departure runs is for everybody: watching it tells no more than reading it
            for person in people.values():
                if person.name == PROGRAM:
                    continue
                metadata = (*((name.lower(), value) for name, value in person.headers.items()), *IDEMPOTENT)
                answers = []
                for of in (things, ABSENT):
                    message = message_factory.GetMessageClass(rpc.request)(**{name: of[name] for name in named})
                    answers.append(call(opened[rpc.service], rpc, message.SerializeToString(), metadata=metadata))
                cells += 1
                # A list of theirs may be asked for what is somebody else's: it is as empty as that of what is absent.
                assert answers[0] == answers[1], f"{rpc.name} as {person.name}: {answers}"
    assert cells > 50
    keep_figures("foreign-grpc", cells=cells)


IDEMPOTENT = (("idempotency-key", "a-key"),)


def test_foreign_things_are_there_for_those_whom_they_belong_to(stack: Stack, things: dict[str, str]) -> None:
    with admin(stack) as operator, client(stack) as anybody:
        assert operator.get(f"/bookings/{things['booking_id']}").status_code == 200
        assert anybody.get(f"/departures/{things['departure_id']}").status_code == 200
    assert OURS != FOREIGN
