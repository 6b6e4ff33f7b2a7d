"""Every operation and RPC that names a thing, by everybody, about what is their own, somebody else's, and not there.

Which operations those are comes from the API's description, who may call them from the roles. Each is sent with
everything it asks for, so that nothing but the owner can make a difference.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Set
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import httpx2
import pytest
from google.protobuf.message_factory import GetMessageClass

from gateway.accounts.domain.roles import Role
from tests.faults.doors import Operation, Rpc, ask, call, channels, metadata_of, operations, rpcs
from tests.faults.forged import decoded
from tests.faults.people import DEVICE, FOREIGN, GUEST, OURS, PROGRAM, Crowd, Person, tracked_vehicle
from tests.system.journey import checked, coach, hold, key, leg_of, payment, publish, quote
from tests.system.running_stack import Stack, admin, client, guest

THERE = (200, 201, 202, 409, 412)
"""How an operation answers who may do it: it is done, or the thing is in no state for it."""
THERE_CODES = (grpc.StatusCode.OK, grpc.StatusCode.FAILED_PRECONDITION, grpc.StatusCode.ABORTED)


@dataclass(frozen=True)
class Things:
    """A departure, a vehicle and a booking, all of one operator and one rider, and what is sent about them."""

    departure_id: str = "dep_none"
    vehicle_id: str = "veh_none"
    booking_id: str = "bkg_none"
    ticket_id: str = "tkt_none"
    cancellation_quote_token: str = "none"

    @property
    def names(self) -> dict[str, str]:
        return {"departure_id": self.departure_id, "vehicle_id": self.vehicle_id, "booking_id": self.booking_id}

    @property
    def path(self) -> dict[str, str]:
        return self.names | {"ticket_id": self.ticket_id}

    def body(self, operation: str) -> Any:
        """Write the body of an operation that has one."""
        now = {"sequence": 1, "recorded_at": datetime.now(UTC).isoformat(), "latitude": 41.1, "longitude": -8.6}
        return {
            "confirm_booking": payment(),
            "quote_cancellation": {},
            "cancel_booking": {"cancellation_quote_token": self.cancellation_quote_token},
            "assign_vehicle": {"vehicle_id": self.vehicle_id},
            "report_positions": {"session_id": "s1", "positions": [now]},
        }.get(operation)

    def message(self, rpc: Rpc) -> bytes:
        """Fill the request of an RPC."""
        known = self.path | {"payment_method": "sandbox", "payment_token": "tok_success", "version": 1,
                             "cancellation_quote_token": self.cancellation_quote_token, "session_id": "s1"}  # fmt: skip
        made = GetMessageClass(rpc.request)(**{name: known[name] for name in known.keys() & rpc.fields})
        if "positions" in rpc.fields:
            made.positions.add(sequence=1, latitude=41.1, longitude=-8.6).recorded_at.GetCurrentTime()
        return made.SerializeToString()


NAMES = Things().names.keys()
OPERATIONS = [one for one in operations() if one.scopes and NAMES & set(one.parameters)]
# How a departure runs is for everybody: watching it tells no more than reading it.
RPCS = [one for one in rpcs() if NAMES & one.fields and not one.access.is_public and one.method != "WatchDeparture"]
ABSENT = Things()


def made(operator: httpx2.Client, rider: httpx2.Client, operator_id: str) -> Things:
    """Put a departure and a vehicle on the road and let somebody pay for a seat."""
    departure = publish(operator, coach(operator_id=operator_id, starts_in=timedelta(days=3)))
    vehicle_id = tracked_vehicle(operator, operator_id)
    path = f"/bookings/{hold(rider, quote(rider, leg_of(departure)))['id']}"
    paid = checked(rider.post(f"{path}/confirm", json=payment(), headers=key()), 200)
    token = checked(rider.post(f"{path}/cancellation-quotes", json={}), 200)["token"]
    return Things(departure["id"], vehicle_id, paid["id"], paid["tickets"][0]["id"], token)


@pytest.fixture(scope="session")
def foreign(stack: Stack) -> Things:
    """What is another operator's and another rider's."""
    with admin(stack) as operator, guest(stack) as rider:
        return made(operator, rider, FOREIGN)


@pytest.fixture(scope="session")
def own(stack: Stack, crowd: Crowd) -> Mapping[str, Things]:
    """What is each one's own: a rider's the booking, a device's the vehicle, and all of it for staff."""
    found = {}
    with admin(stack) as operator, guest(stack) as somebody:
        for person in crowd.signed_in(now_seconds=time.monotonic()).values():
            with client(stack, person.token) as self:
                things = made(operator, self if person.name in (GUEST, Role.RIDER) else somebody, OURS)
            if person.name == DEVICE:
                bound_to = decoded(person.token.split(".")[1])["vehicle_id"]
                things = replace(things, vehicle_id=bound_to)
            found[person.name] = things
    return found


@pytest.fixture
def http(stack: Stack) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=stack.url, timeout=20) as opened:
        yield opened


def owned_by(person: Person) -> Set[str]:
    """Say what kinds of things can be somebody's own."""
    return {GUEST: {"booking_id"}, Role.RIDER: {"booking_id"}, DEVICE: {"vehicle_id"}}.get(person.name, NAMES)


def cells(people: Mapping[str, Person]) -> Iterator[tuple[Operation, Person]]:
    """Pair operations with everybody who may call them; first those that only read."""
    for operation in sorted(OPERATIONS, key=lambda one: one.method):
        for person in people.values():
            if operation.scopes & person.scopes:
                yield operation, person


def test_what_is_one_s_own_is_there(
    http: httpx2.Client, people: dict[str, Person], own: Mapping[str, Things], keep_figures: Callable[..., None]
) -> None:
    tried = list(cells(people))
    for operation, person in tried:
        things = own[person.name]
        reply = ask(http, operation, person.headers, body=things.body(operation.name), **things.path)
        assert reply.status_code in THERE, f"{operation.name} as {person.name}: {reply.status_code} {reply.text[:300]}"
    assert {operation.name for operation, _ in tried} == {operation.name for operation in OPERATIONS}
    keep_figures("own-rest", cells=len(tried))


def test_what_is_somebody_else_s_looks_as_if_it_were_not_there(
    http: httpx2.Client, people: dict[str, Person], foreign: Things, keep_figures: Callable[..., None]
) -> None:
    others = [person for person in people.values() if person.name != PROGRAM]
    for operation in OPERATIONS:
        for person in others:
            # The body is one and the same, so that only the thing in the path differs.
            answers = [
                ask(http, operation, person.headers, body=foreign.body(operation.name), **of.path)
                for of in (foreign, ABSENT)
            ]
            where = f"{operation.name} as {person.name}: {[(one.status_code, one.text[:300]) for one in answers]}"
            is_open = bool(operation.scopes & person.scopes)
            assert answers[0].status_code == (404 if is_open else 403 if person.token else 401), where
            assert told(answers[0]) == told(answers[1]), where
    keep_figures("foreign-rest", cells=len(OPERATIONS) * len(others))


def told(reply: httpx2.Response) -> tuple[object, ...]:
    """Read what tells one refusal from another, but for the names that the caller has sent."""
    problem = reply.json()
    return reply.status_code, problem["code"], problem["detail"], sorted(problem["facts"]), problem.get("errors")


def test_a_vehicle_of_somebody_else_cannot_be_put_on_one_s_own_departure(
    http: httpx2.Client, people: dict[str, Person], own: Mapping[str, Things], foreign: Things
) -> None:
    (assign,) = (one for one in OPERATIONS if one.name == "assign_vehicle")
    dispatcher = people[Role.DISPATCHER]
    answers = [
        ask(http, assign, dispatcher.headers, body=of.body(assign.name), **own[dispatcher.name].path)
        for of in (foreign, ABSENT)
    ]
    assert answers[0].status_code == 404, answers[0].text
    assert told(answers[0]) == told(answers[1])


def test_every_rpc_knows_what_is_one_s_own_and_tells_nothing_of_the_rest(
    *, stack: Stack, people: dict[str, Person], own: Mapping[str, Things], foreign: Things,
    keep_figures: Callable[..., None],
) -> None:  # fmt: skip
    cells = 0
    with channels(stack) as opened:
        for rpc in RPCS:
            for person in people.values():
                answers = [
                    call(opened[rpc.service], rpc, of.message(rpc), metadata=metadata_of(person))
                    for of in (own[person.name], foreign, replace(foreign, **ABSENT.names))
                ]
                where = f"{rpc.name} as {person.name}: {answers}"
                is_open = bool(rpc.access.scopes & person.scopes and owned_by(person) & rpc.fields)
                assert not is_open or answers[0].code in THERE_CODES, where
                if person.name != PROGRAM:
                    cells += 1
                    assert answers[1].code is not grpc.StatusCode.INVALID_ARGUMENT, where
                    # A list of theirs may be asked for what is somebody else's: as empty as that of what is absent.
                    assert answers[1] == answers[2], where
    assert cells > 50
    keep_figures("foreign-grpc", cells=cells)


def test_foreign_things_are_there_for_those_whom_they_belong_to(stack: Stack, foreign: Things) -> None:
    with admin(stack) as operator, client(stack) as anybody:
        assert operator.get(f"/bookings/{foreign.booking_id}").status_code == 200
        assert anybody.get(f"/departures/{foreign.departure_id}").status_code == 200
    assert OURS != FOREIGN
