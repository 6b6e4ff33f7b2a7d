"""One request as both public doors take it: REST at the gateway, and gRPC at the service with the same token."""

import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import grpc
import httpx2
import pytest
from google.protobuf.json_format import ParseDict
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo
from grpc_status import rpc_status
from headway.booking.v1 import booking_service_pb2 as booking_pb
from headway.pricing.v1 import pricing_service_pb2 as pricing_pb

from tests.system.journey import key, payment

BOOKINGS = "headway.booking.v1.BookingService"
TIMETABLE = "headway.booking.v1.TimetableService"
PRICING = "headway.pricing.v1.PricingService"
JSON = "application/json"
PATIENCE_SECONDS = 5.0


@dataclass(frozen=True)
class Asked:
    """One request of one caller."""

    by: httpx2.Client
    method: str
    path: str
    body: bytes | None = None
    rpc: str = ""
    message: Message | bytes = b""
    content_type: str = JSON
    headers: Mapping[str, str] = field(default_factory=dict)
    patience_seconds: float = PATIENCE_SECONDS


@dataclass(frozen=True)
class Refusal:
    """What a service says when it refuses: the status of the call and the details that came with it."""

    code: grpc.StatusCode
    message: str
    reason: str
    domain: str
    facts: Mapping[str, Any]
    pointers: tuple[str, ...]
    retry_after_seconds: float | None


def over_rest(asked: Asked, **headers: str) -> httpx2.Response:
    """Send a request to the gateway."""
    kind = {} if asked.body is None else {"Content-Type": asked.content_type}
    return asked.by.request(asked.method, asked.path, content=asked.body, headers={**kind, **asked.headers, **headers})


def all_at_once(asked: Asked, *, callers: int, **headers: str) -> list[httpx2.Response]:
    """Send a request from many callers at the same time."""
    with ThreadPoolExecutor(callers) as threads:
        return list(threads.map(lambda _: over_rest(asked, **headers), range(callers)))


def over_grpc(asked: Asked, address: str) -> Refusal:
    """Call the service itself, and return how it refuses."""
    metadata = [("idempotency-key", value) for name, value in asked.headers.items() if name == "Idempotency-Key"]
    if token := asked.by.headers.get("Authorization"):
        metadata.append(("authorization", token))
    with grpc.insecure_channel(address) as channel, pytest.raises(grpc.RpcError) as raised:
        channel.unary_unary(f"/{asked.rpc}")(wire(asked.message), metadata=metadata, timeout=asked.patience_seconds)
    return refusal_of(raised.value)


def wire(message: Message | bytes) -> bytes:
    return message if isinstance(message, bytes) else message.SerializeToString()


def refusal_of(error: Any) -> Refusal:
    """Read a status and its details; each kind of detail comes once at most."""
    info, request, retry = ErrorInfo(), BadRequest(), RetryInfo()
    known = {detail.DESCRIPTOR.full_name: detail for detail in (info, request, retry)}
    status = rpc_status.from_call(error)
    for detail in status.details if status else ():
        assert detail.Unpack(known.pop(detail.TypeName())), detail
    return Refusal(
        code=error.code(),
        message=error.details(),
        reason=info.reason,
        domain=info.domain,
        facts={name: decoded(value) for name, value in info.metadata.items()},
        pointers=tuple(violation.field for violation in request.field_violations),
        retry_after_seconds=retry.retry_delay.ToTimedelta().total_seconds() if retry.HasField("retry_delay") else None,
    )


def decoded(value: str) -> Any:
    """Read a fact: plain text as it is, everything else as JSON."""
    try:
        return json.loads(value)
    except ValueError:
        return value


def written(body: Any) -> bytes:
    return json.dumps(body).encode()


def holding(by: httpx2.Client, body: dict[str, Any], *, headers: Mapping[str, str] | None = None) -> Asked:
    message = ParseDict(body, booking_pb.HoldBookingRequest())
    return Asked(by, "POST", "/bookings", written(body), f"{BOOKINGS}/HoldBooking", message, headers=headers or key())


def confirming(
    by: httpx2.Client, booking: Any, token: str = "tok_success", *, headers: Mapping[str, str] | None = None
) -> Asked:
    body = payment(token)
    message = booking_pb.ConfirmBookingRequest(
        booking_id=booking["id"], payment_method=body["payment"]["method"], payment_token=token
    )
    path, rpc = f"/bookings/{booking['id']}/confirm", f"{BOOKINGS}/ConfirmBooking"
    return Asked(by, "POST", path, written(body), rpc, message, headers=headers or key())


def releasing(by: httpx2.Client, booking: Any, *, version: int = 0, keyed: bool = True) -> Asked:
    message = booking_pb.ReleaseBookingRequest(booking_id=booking["id"], version=version)
    headers = (key() if keyed else {}) | ({"If-Match": f'"{version}"'} if version else {})
    path, rpc = f"/bookings/{booking['id']}/release", f"{BOOKINGS}/ReleaseBooking"
    return Asked(by, "POST", path, None, rpc, message, headers=headers)


def quoting(by: httpx2.Client, leg: dict[str, str]) -> Asked:
    body = {"legs": [leg], "passengers": [{"category": "adult"}]}
    message = ParseDict({"legs": [leg], "passenger_categories": ["adult"]}, pricing_pb.QuoteFareRequest())
    return Asked(by, "POST", "/quotes", written(body), f"{PRICING}/QuoteFare", message)
