"""A failure on the wire: canonical code and google.rpc details, the same in both directions."""

import json
from datetime import timedelta

import grpc
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

from chassis import errors
from chassis.errors import Failure, FieldError

DOMAIN = "headway"
MESSAGE_CHARS_MAX = 500

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

REASONS_WITHOUT_DETAILS: dict[grpc.StatusCode, type[Failure]] = {
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
        super().__init__(
            failure.detail, errors=failure.errors, retry_after_seconds=failure.retry_after_seconds, **failure.facts
        )
        self.code = code
        self.reason = reason  # type: ignore[misc]


def code_of(failure: Failure) -> grpc.StatusCode:
    """Find the code of the nearest kind among a failure's ancestors."""
    if isinstance(failure, RemoteFailure):
        return failure.code
    return next(CODES[kind] for kind in type(failure).__mro__ if kind in CODES)


def status_of(failure: Failure) -> grpc.Status:
    """Write a failure as a status with ErrorInfo, and BadRequest or RetryInfo where they apply."""
    code = code_of(failure)
    number: int = code.value[0]
    status = status_pb2.Status(code=number, message=failure.detail[:MESSAGE_CHARS_MAX])
    facts = {name: encode_fact(value) for name, value in failure.facts.items() if value is not None}
    status.details.add().Pack(error_details_pb2.ErrorInfo(reason=failure.reason, domain=DOMAIN, metadata=facts))
    if failure.errors:
        violations = [
            error_details_pb2.BadRequest.FieldViolation(field=error.pointer, description=error.detail)
            for error in failure.errors
        ]
        status.details.add().Pack(error_details_pb2.BadRequest(field_violations=violations))
    if failure.retry_after_seconds is not None:
        retry = error_details_pb2.RetryInfo()
        retry.retry_delay.FromTimedelta(timedelta(seconds=failure.retry_after_seconds))
        status.details.add().Pack(retry)
    wire: grpc.Status = rpc_status.to_status(status)
    return wire


def failure_of(error: grpc.aio.AioRpcError) -> RemoteFailure:
    """Read a failure back from what a call raised."""
    code, found = error.code(), Failure(error.details() or None)
    try:
        status = rpc_status.from_call(error)
    except ValueError:  # the details contradict the status: trust the status
        status = None
    reason = read_details(found, status) if status is not None else ""
    if not reason:
        kind: type[Failure] = REASONS_WITHOUT_DETAILS.get(code, Failure)
        return RemoteFailure(code if kind is not Failure else grpc.StatusCode.INTERNAL, kind.reason, kind())
    return RemoteFailure(code, reason, found)


def read_details(into: Failure, status: status_pb2.Status) -> str:
    """Fill a failure from a status's details and return its reason."""
    reason = ""
    for detail in status.details:
        if detail.Is(error_details_pb2.ErrorInfo.DESCRIPTOR):
            info = error_details_pb2.ErrorInfo.FromString(detail.value)
            reason = info.reason
            into.facts = {name: decode_fact(value) for name, value in info.metadata.items()}
        elif detail.Is(error_details_pb2.BadRequest.DESCRIPTOR):
            request = error_details_pb2.BadRequest.FromString(detail.value)
            into.errors = tuple(FieldError(item.field, item.description) for item in request.field_violations)
        elif detail.Is(error_details_pb2.RetryInfo.DESCRIPTOR):
            retry = error_details_pb2.RetryInfo.FromString(detail.value)
            into.retry_after_seconds = retry.retry_delay.ToTimedelta().total_seconds()
    return reason


def encode_fact(value: object) -> str:
    """Write a fact as a string: plain text as it is, everything else as JSON."""
    if isinstance(value, str) and decode_fact(value) == value:
        return value
    return json.dumps(value, default=str)


def decode_fact(text: str) -> object:
    """Read a fact back; text that is no JSON is itself."""
    try:
        return json.loads(text)
    except ValueError:
        return text
