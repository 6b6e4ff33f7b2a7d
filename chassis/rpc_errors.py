"""A failure on the wire: canonical code and google.rpc details, the same in both directions."""

import json
from datetime import timedelta

import grpc
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import DecodeError, Message
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status
from grpc_status import rpc_status

from chassis import errors
from chassis.errors import Failure, FieldError

DOMAIN = "headway"
MESSAGE_CHARS_MAX = 500
ERRORS_MAX = 20

CODES: dict[type[Failure], grpc.StatusCode] = {
    errors.InvalidInput: grpc.StatusCode.INVALID_ARGUMENT,
    errors.NotFound: grpc.StatusCode.NOT_FOUND,
    errors.NotAllowedNow: grpc.StatusCode.FAILED_PRECONDITION,
    errors.LostRace: grpc.StatusCode.ABORTED,
    errors.NotAuthenticated: grpc.StatusCode.UNAUTHENTICATED,
    errors.Forbidden: grpc.StatusCode.PERMISSION_DENIED,
    errors.OverLimit: grpc.StatusCode.RESOURCE_EXHAUSTED,
    errors.Unavailable: grpc.StatusCode.UNAVAILABLE,
    errors.DeadlineExceeded: grpc.StatusCode.DEADLINE_EXCEEDED,
    Failure: grpc.StatusCode.INTERNAL,
}
"""The only table of codes. A concrete failure finds its kind among its ancestors."""

KINDS_WITHOUT_DETAILS: dict[grpc.StatusCode, type[Failure]] = {
    grpc.StatusCode.UNAVAILABLE: errors.Unavailable,
    grpc.StatusCode.DEADLINE_EXCEEDED: errors.DeadlineExceeded,
    grpc.StatusCode.CANCELLED: errors.Unavailable,
    grpc.StatusCode.RESOURCE_EXHAUSTED: errors.Overloaded,
    grpc.StatusCode.UNAUTHENTICATED: errors.NotAuthenticated,
}
"""What the transport itself says without ErrorInfo: nobody listens, the time is up, the call was cut."""


class RemoteFailure(Failure):
    """Another process's failure, with its own code and reason."""

    def __init__(self, code: grpc.StatusCode, reason: str, failure: Failure) -> None:
        super().__init__(failure.detail, errors=failure.errors, retry_after_seconds=failure.retry_after_seconds)
        self.code, self.reason, self.facts = code, reason, failure.facts


def code_of(failure: Failure) -> grpc.StatusCode:
    """Find the code of the nearest kind among a failure's ancestors."""
    if isinstance(failure, RemoteFailure):
        return failure.code
    return next(CODES[kind] for kind in type(failure).__mro__ if kind in CODES)


def status_of(failure: Failure) -> grpc.Status:
    """Write a failure as a status with ErrorInfo, and BadRequest or RetryInfo where they apply."""
    number: int = code_of(failure).value[0]
    facts = {name: encode_fact(value) for name, value in failure.facts.items()}
    details: list[Message] = [ErrorInfo(reason=failure.reason, domain=DOMAIN, metadata=facts)]
    if failure.errors:
        found = failure.errors[:ERRORS_MAX]
        violations = [BadRequest.FieldViolation(field=error.pointer, description=error.detail) for error in found]
        details.append(BadRequest(field_violations=violations))
    if failure.retry_after_seconds is not None:
        delay = Duration()
        delay.FromTimedelta(timedelta(seconds=failure.retry_after_seconds))
        details.append(RetryInfo(retry_delay=delay))
    status = Status(code=number, message=failure.detail[:MESSAGE_CHARS_MAX])
    for detail in details:
        status.details.add().Pack(detail)
    wire: grpc.Status = rpc_status.to_status(status)
    return wire


def failure_of(error: grpc.aio.AioRpcError) -> RemoteFailure:
    """Read a failure back from what a call raised."""
    found = Failure(error.details())
    try:
        reason = read_details(found, rpc_status.from_call(error) or Status())
    except (ValueError, DecodeError):  # the details contradict the status, or are none: trust the status
        reason = ""
    if reason:
        return RemoteFailure(error.code(), reason, found)
    kind = KINDS_WITHOUT_DETAILS.get(error.code(), Failure)
    return RemoteFailure(code_of(kind()), kind.reason, kind())


def read_details(into: Failure, status: Status) -> str:
    """Fill a failure from a status's details and return its reason, empty if there is none."""
    info, request, retry = ErrorInfo(), BadRequest(), RetryInfo()
    for detail in status.details:
        for known in (info, request, retry):
            detail.Unpack(known)
    into.facts = {name: decode_fact(value) for name, value in info.metadata.items()}
    into.errors = tuple(FieldError(item.field, item.description) for item in request.field_violations)
    if retry.HasField("retry_delay"):
        into.retry_after_seconds = retry.retry_delay.ToTimedelta().total_seconds()
    return str(info.reason)


def encode_fact(value: object) -> str:
    """Write a fact as a string: plain text as it is, everything else as JSON."""
    if isinstance(value, str) and decode_fact(value) == value:
        return value
    return json.dumps(value, default=str)


def decode_fact(text: str) -> object:
    """Read a fact back; text that is no JSON is itself."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text
