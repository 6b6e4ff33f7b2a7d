"""The contract's table of failures as data: what each one is, and how the running system is brought to it."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import ANY

import grpc
from headway.booking.v1 import booking_service_pb2, feeds_pb2, timetable_service_pb2

from tests.system.deadlines import after
from tests.system.hasty_stack import HOLDS_PER_RIDER
from tests.system.journey import checked, coach, hold_body, key, leg_of
from tests.system.scene import Scene
from tests.system.two_doors import (
    BOOKINGS,
    TIMETABLE,
    Asked,
    confirming,
    holding,
    over_rest,
    quoting,
    releasing,
    written,
)

INVALID, ABSENT = grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND
NOT_NOW, LOST_RACE = grpc.StatusCode.FAILED_PRECONDITION, grpc.StatusCode.ABORTED
OVER_LIMIT, UNAVAILABLE = grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.UNAVAILABLE

NOT_RAISED = {
    "internal": "a bug of ours that nobody knows of: tests/gateway/test_edge.py and tests/chassis/test_rpc_server.py",
}
"""Codes of the table that nothing on the running system leads to, and why."""
ON_REST_ONLY = {
    "missing_precondition": "a message in which no version is set names version 0",
    "unsupported_media_type": "gRPC has one content type",
    "email_taken": "accounts are the gateway's own and no RPC",
    "rate_limited": "requests are counted where the public comes in",
    "overloaded": "gRPC's own bound on calls comes before the writer's queue is full, which it is in"
    " tests/chassis/test_writer.py::test_a_full_queue_is_refused_at_once",
}
"""Codes that no service answers by itself, and why."""
WITHOUT_DETAILS = {
    "deadline_exceeded": "the caller's own library says so when nobody has answered in time",
    "method_not_allowed": "gRPC knows of no method that nobody serves",
    "body_too_large": "gRPC refuses a message that is too long before anybody of ours sees it",
}
"""Codes that gRPC itself answers, so that only the canonical code tells."""
OURS = re.compile(r"Traceback|Exception|Error\b|\b[a-z]+\.[a-z]+\(|_pb2|sqlalchemy|\b[A-Z][a-z]+[A-Z]\w*")
"""What would tell of the inside: classes, modules, stacks."""


def is_plain(sentence: str) -> bool:
    """Tell whether a sentence is for people."""
    return sentence[:1].isupper() and sentence.endswith(".") and not OURS.search(sentence)


@dataclass(frozen=True)
class Failing:
    """One code: what REST and gRPC answer, and a request that is answered so."""

    status: int
    ask: Callable[[Scene], Asked]
    canonical: grpc.StatusCode | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    # What the gateway adds.
    added_facts: Mapping[str, Any] = field(default_factory=dict)
    pointers: tuple[str, ...] = ()
    is_retryable: bool = False
    retry_after_seconds_max: int = 0
    # How many callers it takes at once.
    callers: int = 1
    # The process that stands still meanwhile.
    stopped: str = ""


def broken_body(scene: Scene) -> Asked:
    asked = quoting(scene.anybody, scene.leg)
    return Asked(asked.by, "POST", asked.path, b'{"legs": [', asked.rpc, b"\xff\xff")


def nobody_rides(scene: Scene) -> Asked:
    return holding(scene.rider(), scene.hold_body(passengers=[]))


def no_key(scene: Scene) -> Asked:
    rider = scene.rider()
    return releasing(rider, scene.hold(rider), keyed=False)


def same_key_for_another(scene: Scene) -> Asked:
    rider, same, body = scene.rider(), key(), scene.hold_body()
    checked(over_rest(holding(rider, body, headers=same)), 201)
    return holding(rider, {**body, "contact": {"email": "eve@example.com"}}, headers=same)


def same_key_too_soon(scene: Scene) -> Asked:
    rider = scene.rider()
    asked = confirming(rider, scene.hold(rider), "tok_action_required")
    checked(over_rest(asked), 202)
    return asked


def nobody_asks(scene: Scene) -> Asked:
    message = booking_service_pb2.ListBookingsRequest()
    return Asked(scene.anybody, "GET", "/bookings", None, f"{BOOKINGS}/ListBookings", message)


def rider_publishes(scene: Scene) -> Asked:
    message = timetable_service_pb2.PublishDepartureRequest()
    rpc = f"{TIMETABLE}/PublishDeparture"
    return Asked(scene.rider(), "POST", "/departures", written(coach()), rpc, message, headers=key())


def reading(scene: Scene, departure_id: str, **changes: Any) -> Asked:
    message = timetable_service_pb2.GetDepartureRequest(departure_id=departure_id)
    return Asked(
        scene.anybody, "GET", f"/departures/{departure_id}", None, f"{TIMETABLE}/GetDeparture", message, **changes
    )


def not_a_method(scene: Scene) -> Asked:
    return Asked(scene.anybody, "DELETE", "/bookings", None, f"{BOOKINGS}/DeleteBookings")


def old_version(scene: Scene) -> Asked:
    rider = scene.rider()
    return releasing(rider, scene.hold(rider), version=99)


def no_version(scene: Scene) -> Asked:
    return Asked(scene.operator, "PUT", "/fare-policies/demo", written({
        "currency": "EUR", "base_minor": 300, "categories": [{"category": "adult", "percent": 100}],
    }))  # fmt: skip


def from_nowhere(scene: Scene) -> Asked:
    return quoting(scene.anybody, {**scene.leg, "origin_stop_id": "stp_nowhere"})


def cancelled_meanwhile(scene: Scene) -> Asked:
    departure = scene.publish()
    body = hold_body(scene.quote(leg_of(departure)))
    cancel = {"operator_id": "demo", "departure_ids": [departure["id"]]}
    checked(scene.operator.post("/departures/cancel", json=cancel, headers=key()), 200)
    return holding(scene.rider(), body)


def named_seat_of_another(scene: Scene) -> Asked:
    departure = scene.publish()
    passengers = [{"name": "Ada", "category": "adult", "seat_ids": ["7C"]}]
    body = hold_body(scene.quote(leg_of(departure)), passengers=passengers)
    checked(over_rest(holding(scene.rider(), body)), 201)
    return holding(scene.rider(), body)


def three_for_two_seats(scene: Scene) -> Asked:
    three = ("adult",) * 3
    quoted = scene.quote(leg_of(scene.small(2)), categories=three)
    return holding(scene.rider(), hold_body(quoted, categories=three))


def needs_a_bicycle_rack(scene: Scene) -> Asked:
    passengers = [{"name": "Ada", "category": "adult", "needs": ["bicycle"]}]
    quoted = scene.quote(leg_of(scene.publish()))
    return holding(scene.rider(), hold_body(quoted, passengers=passengers))


def late_quote(scene: Scene) -> Asked:
    after(scene.late_quote["expires_at"])
    return holding(scene.rider(), hold_body(scene.late_quote))


def child_on_an_adults_quote(scene: Scene) -> Asked:
    return holding(scene.rider(), hold_body(scene.quote(), categories=("child",)))


def late_payer(scene: Scene) -> Asked:
    after(scene.late_hold["hold_expires_at"])
    return confirming(scene.late_rider, scene.late_hold)


def released_twice(scene: Scene) -> Asked:
    rider = scene.rider()
    booking = scene.hold(rider)
    checked(over_rest(releasing(rider, booking)), 200)
    return releasing(rider, booking)


def sign_up_twice(scene: Scene) -> Asked:
    body = {"email": "ada@example.com", "password": "correct horse battery"}
    address = {"X-Forwarded-For": "198.51.100.1"}
    asked = Asked(scene.anybody, "POST", "/riders", written(body), headers=address)
    assert over_rest(asked).status_code in (201, 409)
    return asked


def empty_card(scene: Scene) -> Asked:
    rider = scene.rider()
    return confirming(rider, scene.hold(rider), "tok_declined")


def one_hold_more(scene: Scene) -> Asked:
    rider = scene.rider()
    for _ in range(HOLDS_PER_RIDER):
        scene.hold(rider)
    return holding(rider, scene.hold_body())


def guess_references(scene: Scene) -> Asked:
    body = {"reference": "AAAAAA", "email": "ada@example.com"}
    address = {"X-Forwarded-For": "198.51.100.2"}
    return Asked(scene.anybody, "POST", "/bookings/lookup", written(body), headers=address)


def hash_passwords(scene: Scene) -> Asked:
    staff = {
        "email": "bob@example.com", "password": "correct horse battery", "role": "driver", "operator_id": "demo"
    }  # fmt: skip
    return Asked(scene.operator, "POST", "/users", written(staff))


def too_much(scene: Scene) -> Asked:
    asked = quoting(scene.anybody, scene.leg)
    return Asked(asked.by, "POST", asked.path, b" " * 70_000, asked.rpc, b" " * 2_000_000)


def no_feed(scene: Scene) -> Asked:
    form = "\r\n".join((
        "--x", 'Content-Disposition: form-data; name="operator_id"', "", "demo",
        "--x", 'Content-Disposition: form-data; name="file"; filename="feed.zip"', "", "no zip", "--x--", "",
    ))  # fmt: skip
    message = timetable_service_pb2.ImportFeedRequest(options=feeds_pb2.FeedOptions(operator_id="demo", days=28))
    return Asked(
        scene.operator, "POST", "/feeds", form.encode(), f"{TIMETABLE}/ImportFeed", message,
        content_type="multipart/form-data; boundary=x", headers=key(),
    )  # fmt: skip


def plain_text(scene: Scene) -> Asked:
    return Asked(scene.anybody, "POST", "/quotes", b"from Porto to Lisboa", content_type="text/plain")


FAILURES: Mapping[str, Failing] = {
    "malformed_body": Failing(422, broken_body, INVALID),
    "invalid_value": Failing(422, nobody_rides, INVALID, pointers=("/passengers",)),
    "missing_idempotency_key": Failing(400, no_key, INVALID),
    "idempotency_key_reused": Failing(422, same_key_for_another, INVALID),
    "request_in_flight": Failing(409, same_key_too_soon, LOST_RACE, is_retryable=True, retry_after_seconds_max=1),
    "unauthenticated": Failing(401, nobody_asks, grpc.StatusCode.UNAUTHENTICATED),
    "forbidden": Failing(
        403, rider_publishes, grpc.StatusCode.PERMISSION_DENIED, facts={"scope": "timetable:write"}
    ),
    "not_found": Failing(
        404, lambda scene: reading(scene, "dep_nowhere"), ABSENT, facts={"departure_id": "dep_nowhere"}
    ),
    "method_not_allowed": Failing(405, not_a_method, grpc.StatusCode.UNIMPLEMENTED),
    "stale_version": Failing(412, old_version, LOST_RACE, facts={"version": 1}),
    "missing_precondition": Failing(428, no_version),
    "unknown_stop": Failing(404, from_nowhere, ABSENT, facts={"stop_id": "stp_nowhere", "departure_id": ANY}),
    "not_served": Failing(
        409, lambda scene: quoting(scene.anybody, leg_of(scene.departure, 2, 0)), NOT_NOW, facts={"departure_id": ANY},
        added_facts={"alternatives": ANY},
    ),
    "departure_gone": Failing(
        409, lambda scene: quoting(scene.anybody, leg_of(scene.gone)), NOT_NOW, facts={"departure_id": ANY},
        added_facts={"alternatives": ANY},
    ),
    "departure_cancelled": Failing(
        409, cancelled_meanwhile, NOT_NOW, facts={"departure_id": ANY}, added_facts={"alternatives": ANY}
    ),
    "seat_taken": Failing(409, named_seat_of_another, NOT_NOW, facts={"seat_ids": ["7C"]}),
    "sold_out": Failing(409, three_for_two_seats, NOT_NOW, facts={"departure_id": ANY, "seats_available": 2}),
    "needs_not_met": Failing(409, needs_a_bicycle_rack, NOT_NOW, facts={"seats_available": 50}),
    "quote_expired": Failing(409, late_quote, NOT_NOW, added_facts={"replacement_quote": ANY}),
    "quote_changed": Failing(409, child_on_an_adults_quote, NOT_NOW, added_facts={"replacement_quote": ANY}),
    "quote_invalid": Failing(
        422, lambda scene: holding(scene.rider(), scene.hold_body(quote_token="not.a.quote")), INVALID
    ),
    "hold_expired": Failing(409, late_payer, NOT_NOW, facts={"state": "expired", "available_actions": []}),
    "illegal_state": Failing(409, released_twice, NOT_NOW, facts={"state": "released", "available_actions": []}),
    "email_taken": Failing(409, sign_up_twice),
    "payment_declined": Failing(402, empty_card, NOT_NOW, facts={"provider_reason": "card_declined"}),
    "too_many_holds": Failing(
        429, one_hold_more, OVER_LIMIT, facts={"holds_max": HOLDS_PER_RIDER}, is_retryable=True,
        retry_after_seconds_max=4,
    ),
    "rate_limited": Failing(429, guess_references, is_retryable=True, retry_after_seconds_max=60, callers=40),
    "overloaded": Failing(503, hash_passwords, is_retryable=True, retry_after_seconds_max=1, callers=180),
    "dependency_down": Failing(
        503, lambda scene: quoting(scene.anybody, {**scene.leg, "departure_id": "dep_nowhere"}), UNAVAILABLE,
        facts={"dependency": "booking"}, is_retryable=True, retry_after_seconds_max=1, stopped="booking",
    ),
    "deadline_exceeded": Failing(
        504, lambda scene: reading(scene, scene.departure["id"], patience_seconds=1),
        grpc.StatusCode.DEADLINE_EXCEEDED, is_retryable=True, retry_after_seconds_max=1, stopped="booking",
    ),
    "body_too_large": Failing(413, too_much, OVER_LIMIT),
    "unsupported_media_type": Failing(415, plain_text),
    "feed_rejected": Failing(422, no_feed, INVALID, facts={"problems": ANY}),
}  # fmt: skip
"""Code -> what it is."""
