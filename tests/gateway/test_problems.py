"""Every failure becomes the problem document that the contract promises."""

import json
from typing import Any

import grpc
import pytest
from fastapi import APIRouter
from starlette.exceptions import HTTPException

from chassis import errors
from chassis.errors import Failure, FieldError
from chassis.rpc_errors import RemoteFailure
from gateway.problems import CODE_OF_KIND, PROBLEMS, code_and_problem, problem_response, problems
from tests.gateway.running import Running, problem

CONTRACT = {
    "malformed_body": 422, "invalid_value": 422, "missing_idempotency_key": 400, "idempotency_key_reused": 422,
    "request_in_flight": 409, "unauthenticated": 401, "forbidden": 403, "not_found": 404, "stale_version": 412,
    "missing_precondition": 428, "unknown_stop": 404, "not_served": 409, "departure_gone": 409,
    "departure_cancelled": 409, "seat_taken": 409, "sold_out": 409, "needs_not_met": 409, "quote_expired": 409,
    "quote_changed": 409, "quote_invalid": 422, "hold_expired": 409, "illegal_state": 409, "payment_declined": 402,
    "too_many_holds": 429, "rate_limited": 429, "overloaded": 503, "dependency_down": 503, "deadline_exceeded": 504,
    "feed_rejected": 422, "body_too_large": 413, "unsupported_media_type": 415,
}  # fmt: skip
"""The contract's table of failures, row by row."""

KINDS = {
    errors.InvalidInput: 422,
    errors.NotFound: 404,
    errors.NotAllowedNow: 409,
    errors.LostRace: 412,
    errors.NotAuthenticated: 401,
    errors.Forbidden: 403,
    errors.OverLimit: 429,
    errors.Unavailable: 503,
    errors.Overloaded: 503,
    errors.DeadlineExceeded: 504,
    errors.MissingKey: 400,
    errors.KeyReused: 422,
    errors.RequestInFlight: 409,
    errors.MissingPrecondition: 428,
    Failure: 500,
}
BY_KIND = {
    "INVALID_ARGUMENT": 422, "NOT_FOUND": 404, "FAILED_PRECONDITION": 409, "ABORTED": 409, "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403, "RESOURCE_EXHAUSTED": 429, "UNAVAILABLE": 503, "DEADLINE_EXCEEDED": 504, "INTERNAL": 500,
    "UNKNOWN": 500, "DATA_LOSS": 500, "UNIMPLEMENTED": 500, "CANCELLED": 500,
}  # fmt: skip


def remote(code: grpc.StatusCode, reason: str, **facts: Any) -> RemoteFailure:
    return RemoteFailure(code, reason, Failure("What the service said.", **facts))


def document_of(failure: Failure) -> dict[str, Any]:
    return dict(json.loads(problem_response(failure, path="/v1/x").body))


@pytest.mark.parametrize(("code", "status"), CONTRACT.items())
def test_every_row_of_the_contract_is_in_the_table(code: str, status: int):
    assert PROBLEMS[code].status == status


def test_the_table_says_of_every_code_what_to_do():
    for code, found in PROBLEMS.items():
        assert code == code.lower()
        assert found.title, code
        assert found.next_step.endswith("."), code


@pytest.mark.parametrize(("kind", "status"), KINDS.items(), ids=lambda value: getattr(value, "__name__", value))
def test_every_kind_of_failure_has_its_status(kind: type[Failure], status: int):
    code, found = code_and_problem(kind())
    assert found.status == status
    assert code == kind.reason.lower()


@pytest.mark.parametrize(("code", "status"), BY_KIND.items())
def test_a_reason_that_nobody_knows_is_answered_by_its_kind(code: str, status: int):
    failure = remote(grpc.StatusCode[code], "SOMETHING_NEW")
    found, row = code_and_problem(failure)
    assert row.status == status
    assert found == ("internal" if status == 500 else "something_new")


def test_a_reason_of_the_contract_decides_over_its_kind():
    assert code_and_problem(remote(grpc.StatusCode.FAILED_PRECONDITION, "PAYMENT_DECLINED"))[1].status == 402
    assert code_and_problem(remote(grpc.StatusCode.ABORTED, "STALE_VERSION"))[1].status == 412
    assert code_and_problem(remote(grpc.StatusCode.RESOURCE_EXHAUSTED, "OVERLOADED"))[1].status == 503
    assert code_and_problem(remote(grpc.StatusCode.NOT_FOUND, "UNKNOWN_STOP"))[0] == "unknown_stop"


def test_every_kind_on_the_wire_finds_a_row():
    assert set(CODE_OF_KIND.values()) <= set(PROBLEMS)


def test_facts_are_told_as_they_are():
    failure = remote(grpc.StatusCode.FAILED_PRECONDITION, "SEAT_TAKEN", seat_ids=["4C"], seats_available=3, gone=None)
    assert document_of(failure) == {
        "type": "/problems#seat_taken",
        "title": "A seat is taken",
        "status": 409,
        "detail": "What the service said.",
        "instance": "/v1/x",
        "code": "seat_taken",
        "request_id": "",
        "retryable": False,
        "facts": {"seat_ids": ["4C"], "seats_available": 3},
    }


def test_what_broke_inside_is_not_told_outside():
    failure = remote(grpc.StatusCode.INTERNAL, "INTERNAL", table="bookings", trace="Traceback (most recent call last)")
    document = document_of(failure)
    assert document["detail"] == Failure.detail
    assert document["facts"] == {}


def test_field_errors_come_with_their_pointers():
    document = document_of(errors.InvalidInput(errors=[FieldError("/passengers/0/name", "Too long.")]))
    assert document["errors"] == [{"pointer": "/passengers/0/name", "detail": "Too long."}]


@pytest.mark.parametrize(("seconds", "header"), [(0.01, "1"), (1.0, "1"), (1.01, "2"), (90, "90")])
def test_retry_after_is_rounded_up(seconds: float, header: str):
    reply = problem_response(errors.OverLimit(retry_after_seconds=seconds), path="/")
    assert reply.headers["retry-after"] == header


@pytest.mark.parametrize(
    ("failure", "seconds"),
    [
        (errors.OverLimit(retry_after_seconds=12.3), 13),
        (remote(grpc.StatusCode.RESOURCE_EXHAUSTED, "TOO_MANY_HOLDS"), None),
        (errors.RequestInFlight(), 1),
        (errors.Unavailable(), 1),
        (errors.Overloaded(retry_after_seconds=0.2), 1),
        (errors.DeadlineExceeded(), 1),
        (errors.DeadlineExceeded(retry_after_seconds=5), 5),
        (remote(grpc.StatusCode.DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED"), 1),
        (errors.NotFound(), None),
        (Failure(), None),
    ],
    ids=lambda value: getattr(value, "reason", value),
)
def test_the_facts_say_when_to_come_back_as_the_header_does(failure: Failure, seconds: int | None):
    reply = problem_response(failure, path="/")
    assert json.loads(reply.body)["facts"].get("retry_after_seconds") == seconds
    assert reply.headers.get("retry-after") == (None if seconds is None else str(seconds))


def test_nobody_is_told_to_come_back_where_that_does_not_help():
    assert "retry-after" not in problem_response(errors.NotFound(), path="/").headers


@pytest.mark.parametrize("path", ["/v1/\ud800", "/v1/ä€\n", "/" + "x" * 5000, '/v1/"<script>'])
def test_any_path_can_be_the_instance(path: str):
    reply = problem_response(errors.NotFound(), path=path.encode("utf-8", "replace").decode())
    document = json.loads(reply.body)
    assert document["instance"].isascii()
    assert len(document["instance"]) < 2500
    assert "<" not in document["instance"]


def test_a_route_documents_its_problems_by_status():
    found = problems("seat_taken", "sold_out", "not_found")
    assert sorted(map(int, found)) == [404, 409]
    assert found[409]["x-problem-codes"] == ["seat_taken", "sold_out"]
    assert list(found[409]["content"]) == ["application/problem+json"]


def test_a_route_cannot_document_what_is_not_in_the_table():
    with pytest.raises(KeyError):
        problems("no_such_code")


async def test_every_way_a_route_can_fail_is_a_problem(gateway: Running):
    """What the framework raises and what nobody foresaw look like what we raise ourselves."""
    router = APIRouter()
    raised: list[Exception] = []

    @router.get("/fails")
    async def fails() -> int:
        raise raised[-1]

    @router.get("/lies")
    async def lies() -> int:
        return "not a number"  # type: ignore[return-value]

    gateway.app.include_router(router)
    expected: list[tuple[Exception, int, str]] = [
        (remote(grpc.StatusCode.FAILED_PRECONDITION, "SOLD_OUT"), 409, "sold_out"),
        (errors.Unavailable(dependency="database"), 503, "dependency_down"),
        (HTTPException(404), 404, "not_found"),
        (HTTPException(418), 500, "internal"),
        (RuntimeError("secret"), 500, "internal"),
        (ExceptionGroup("several", [ValueError("secret")]), 500, "internal"),
        (RecursionError(), 500, "internal"),
    ]
    for error, status, code in expected:
        raised.append(error)
        reply = await gateway.client.get("/fails")
        problem(reply, status, code)
        assert "secret" not in reply.text
    problem(await gateway.client.get("/lies"), 500, "internal")


async def test_what_nobody_serves_is_a_problem(shared: Running):
    problem(await shared.client.get("/nowhere"), 404, "not_found")
    problem(await shared.client.get("/v1/%00"), 404, "not_found")
    problem(await shared.client.get("/assets/docs/../../pyproject.toml"), 404, "not_found")
    problem(await shared.client.get("/assets/docs/%2e%2e/core.py"), 404, "not_found")
    reply = await shared.client.patch("/v1/riders")
    problem(reply, 405, "method_not_allowed")
    assert reply.headers["allow"] == "POST"


async def test_services_that_are_away_are_a_problem_that_says_when_to_come_back(shared: Running):
    reply = await shared.client.get("/v1/departures/dep_1")
    assert problem(reply, 503, "dependency_down")["retryable"] is True
    assert int(reply.headers["retry-after"]) >= 1
