"""Answers every failure as application/problem+json; the one place where HTTP statuses are chosen.

`raise` any chassis Failure from a route, or let a backend's RemoteFailure pass: the handlers here do the rest.
`responses=problems("seat_taken", "sold_out")` documents what a route may answer; what every route may answer
(401 and 403 with a token, 422, 429, 500, 503, 504; 400 and 409 with an Idempotency-Key; 413 and 415 with a body)
is added by gateway.openapi.

https://www.rfc-editor.org/rfc/rfc9457
"""

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import grpc
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from chassis import logs
from chassis.errors import Failure, FieldError, InvalidInput
from chassis.rpc_errors import code_of
from gateway.guidance import guidance

MEDIA_TYPE = "application/problem+json"
TYPE_PREFIX = "/problems#"
SCHEMA = {"$ref": "#/components/schemas/Problem"}
ERRORS_MAX = 20
PLAIN_NAME = re.compile(r"[A-Za-z0-9_-]{1,40}")


@dataclass(frozen=True, slots=True)
class Problem:
    """A kind of refusal: its status, what it is called and what a caller does next."""

    status: int
    title: str
    next_step: str
    # The same request, unchanged, may succeed later.
    is_retryable: bool = False


PROBLEMS: Mapping[str, Problem] = {
    "malformed_body": Problem(422, "The body cannot be read", "Mend the request."),
    "invalid_value": Problem(422, "A value is not acceptable", "Mend what `errors` points at."),
    "missing_idempotency_key": Problem(400, "An Idempotency-Key is needed", "Send a fresh key."),
    "idempotency_key_reused": Problem(422, "The key belongs to another request", "Use a new key."),
    "request_in_flight": Problem(409, "The first request is still running", "Wait, then send the same key.", True),
    "unauthenticated": Problem(401, "A valid token is needed", "Sign in."),
    "forbidden": Problem(403, "The token may not do this", "Ask for the scope or the operator that `facts` names."),
    "not_found": Problem(404, "Nothing is here", "Stop, or look it up again."),
    "method_not_allowed": Problem(405, "The method is not served here", "Use one that `Allow` names."),
    "stale_version": Problem(412, "It has changed since it was read", "Read it again and repeat."),
    "missing_precondition": Problem(428, "An If-Match header is needed", "Send the ETag that was read."),
    "unknown_stop": Problem(404, "There is no such stop", "Choose another."),
    "not_served": Problem(409, "The departure does not serve this", "Choose another."),
    "departure_gone": Problem(409, "The departure has left", "Choose another."),
    "departure_cancelled": Problem(409, "The departure is cancelled", "Choose another."),
    "seat_taken": Problem(409, "A seat is taken", "Choose other seats, or join the waiting list."),
    "sold_out": Problem(409, "Too few seats are left", "Choose another departure, or join the waiting list."),
    "needs_not_met": Problem(409, "No free seat meets the needs", "Choose another departure."),
    "quote_expired": Problem(409, "The quote has expired", "Accept the new quote in `facts`, or ask for one."),
    "quote_changed": Problem(409, "The price has changed", "Accept the new quote in `facts`, or ask for one."),
    "quote_invalid": Problem(422, "The quote is not one of ours", "Ask for a quote."),
    "hold_expired": Problem(409, "The hold has expired", "Do one of the `available_actions`."),
    "illegal_state": Problem(409, "Not possible in the present state", "Do one of the `available_actions`."),
    "email_taken": Problem(409, "An account has this e-mail address", "Sign in, or use another address."),
    "payment_declined": Problem(402, "The payment was declined", "Pay another way; the seats are still held."),
    "too_many_holds": Problem(429, "Too many holds at once", "Confirm or release one, or wait.", True),
    "rate_limited": Problem(429, "Too many requests", "Wait as long as `Retry-After` says.", True),
    "overloaded": Problem(503, "Too much is asked at the moment", "Wait, then send the same key.", True),
    "dependency_down": Problem(503, "A part does not answer", "Wait, then send the same key.", True),
    "deadline_exceeded": Problem(504, "It took too long", "Send the same key to learn the outcome.", True),
    "feed_rejected": Problem(422, "The feed cannot be imported", "Mend what `facts` lists."),
    "body_too_large": Problem(413, "The body is too large", "Send less at once."),
    "unsupported_media_type": Problem(415, "The content type is not served here", "Send what the operation documents."),
    "internal": Problem(500, "Something went wrong on our side", "Report the `request_id`."),
}
"""Code -> what it is. Every row of the contract's table and the few that HTTP itself needs."""

CODE_OF_KIND: Mapping[grpc.StatusCode, str] = {
    grpc.StatusCode.INVALID_ARGUMENT: "invalid_value",
    grpc.StatusCode.OUT_OF_RANGE: "invalid_value",
    grpc.StatusCode.NOT_FOUND: "not_found",
    grpc.StatusCode.FAILED_PRECONDITION: "illegal_state",
    grpc.StatusCode.ABORTED: "illegal_state",
    grpc.StatusCode.ALREADY_EXISTS: "illegal_state",
    grpc.StatusCode.UNAUTHENTICATED: "unauthenticated",
    grpc.StatusCode.PERMISSION_DENIED: "forbidden",
    grpc.StatusCode.RESOURCE_EXHAUSTED: "rate_limited",
    grpc.StatusCode.UNAVAILABLE: "dependency_down",
    grpc.StatusCode.DEADLINE_EXCEEDED: "deadline_exceeded",
}
"""What a reason that the table does not know is answered like."""

CODE_OF_STATUS = {
    400: "malformed_body",
    401: "unauthenticated",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    408: "deadline_exceeded",
    413: "body_too_large",
    415: "unsupported_media_type",
    422: "malformed_body",
}
"""What the framework itself refuses, by its status."""


class UnsupportedMediaType(InvalidInput):
    reason = "UNSUPPORTED_MEDIA_TYPE"
    detail = "This operation does not take a body of that content type."


class ProblemResponse(Response):
    media_type = MEDIA_TYPE


def problems(*codes: str) -> dict[int | str, dict[str, Any]]:
    """Document the problems of a route: its `responses=`."""
    by_status: dict[int | str, list[str]] = {}
    for code in codes:
        by_status.setdefault(PROBLEMS[code].status, []).append(code)
    return {status: documented(found) for status, found in by_status.items()}


def documented(codes: Iterable[str]) -> dict[str, Any]:
    """Describe the answer that stands for some codes of one status."""
    found = sorted(set(codes))
    lines = [f"`{code}`: {PROBLEMS[code].title}. {PROBLEMS[code].next_step}" for code in found]
    return {
        "description": "\n\n".join(lines),
        "content": {MEDIA_TYPE: {"schema": SCHEMA}},
        "x-problem-codes": found,
    }


def code_and_problem(failure: Failure) -> tuple[str, Problem]:
    """Find a failure's row by its reason, or else by its kind."""
    code = failure.reason.lower()
    if code in PROBLEMS:
        return code, PROBLEMS[code]
    kind = CODE_OF_KIND.get(code_of(failure), "internal")
    return ("internal" if kind == "internal" else code), PROBLEMS[kind]


def problem_response(failure: Failure, *, path: str, headers: Mapping[str, str] | None = None) -> ProblemResponse:
    """Write a failure as a problem document."""
    code, problem = code_and_problem(failure)
    is_ours = problem.status == 500
    document: dict[str, object] = {
        "type": TYPE_PREFIX + code,
        "title": problem.title,
        "status": problem.status,
        "detail": Failure.detail if is_ours else failure.detail,
        "instance": quote(path[:200], safe="/-._~:@!$&'()*+,;="),
        "code": code,
        "request_id": logs.request_id.get(),
        "retryable": problem.is_retryable,
        "facts": {} if is_ours else facts_of(failure, problem),
    }
    if problem.status == 422:
        document["errors"] = [{"pointer": error.pointer, "detail": error.detail} for error in failure.errors]
    body = json.dumps(document, default=str, ensure_ascii=True, separators=(",", ":"))
    return ProblemResponse(body, problem.status, headers=headers_of(failure, problem) | dict(headers or {}))


def facts_of(failure: Failure, problem: Problem) -> dict[str, object]:
    """Tell what is known, and when to come back."""
    known = failure.facts | {"retry_after_seconds": seconds_to_wait(failure, problem)}
    return {name: fact for name, fact in known.items() if fact is not None}


def seconds_to_wait(failure: Failure, problem: Problem) -> int | None:
    """Round up when to come back; None where that does not help or nobody knows."""
    seconds = failure.retry_after_seconds
    if seconds is None:
        return 1 if problem is PROBLEMS["deadline_exceeded"] else None
    return max(1, math.ceil(seconds))


def headers_of(failure: Failure, problem: Problem) -> dict[str, str]:
    """Say when to come back and how to sign in."""
    headers = {"Cache-Control": "no-store"}
    if (seconds := seconds_to_wait(failure, problem)) is not None:
        headers["Retry-After"] = str(seconds)
    if problem.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return headers


class HttpRefusal(Failure):
    """What the framework refused, in our own words."""

    DETAILS: Mapping[str, str] = {
        "not_found": "There is nothing here under this path.",
        "method_not_allowed": "This path does not take that method.",
        "body_too_large": "The body is larger than this operation takes.",
        "unsupported_media_type": UnsupportedMediaType.detail,
        "deadline_exceeded": "The body took too long to come. Repeat with the same key.",
        "malformed_body": "The body cannot be read as what this operation takes.",
    }

    def __init__(self, code: str) -> None:
        super().__init__(self.DETAILS.get(code))
        self.reason = code.upper()


def invalid_request(errors: Sequence[Any]) -> InvalidInput:
    """Turn what validation found into pointers and sentences; what the caller sent is never repeated."""
    found = tuple(FieldError(pointer_of(error["loc"]), guidance(error)) for error in errors[:ERRORS_MAX])
    return InvalidInput(errors=found)


def pointer_of(location: Sequence[str | int]) -> str:
    """Write a place as a JSON pointer, without where in the request it was and with plain names only."""
    parts = [str(part) for part in location[1:]]
    return "".join(f"/{part if PLAIN_NAME.fullmatch(part) else '*'}" for part in parts)


async def answer_failure(request: Request, error: Exception) -> Response:
    assert isinstance(error, Failure)
    return problem_response(error, path=request.url.path)


async def answer_invalid_request(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return problem_response(invalid_request(error.errors()), path=request.url.path)


async def answer_http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    failure = HttpRefusal(CODE_OF_STATUS.get(error.status_code, "internal"))
    return problem_response(failure, path=request.url.path, headers=error.headers)


def add_handlers(app: FastAPI) -> None:
    """Answer every foreseen failure of an app; gateway.edge answers the unforeseen."""
    app.add_exception_handler(Failure, answer_failure)
    app.add_exception_handler(RequestValidationError, answer_invalid_request)
    app.add_exception_handler(HTTPException, answer_http_exception)
