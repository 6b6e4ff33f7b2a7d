"""Every operation and every RPC, read from the API's description and from the services' own rules."""

import json
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import grpc
import httpx2
from google.protobuf import descriptor_pool
from google.protobuf.descriptor import Descriptor
from headway.booking.v1 import booking_service_pb2, operations_service_pb2, timetable_service_pb2
from headway.pricing.v1 import pricing_service_pb2
from headway.tracking.v1 import tracking_service_pb2

from booking_svc.servicers.access import RULES as BOOKING
from chassis.access import Access
from pricing_svc.servicers.access import RULES as PRICING
from tests.faults.people import Person
from tests.faults.points import ROOT
from tests.system.running_stack import Stack
from tracking_svc.servicers.access import RULES as TRACKING

# Imported so that the pool knows them.
CONTRACTS = (
    booking_service_pb2,
    operations_service_pb2,
    timetable_service_pb2,
    pricing_service_pb2,
    tracking_service_pb2,
)
RULES = {**BOOKING, **PRICING, **TRACKING}
PATIENCE_SECONDS = 5.0
ANSWERS_MAX = 20
"""So many messages of a stream are enough."""


@dataclass(frozen=True)
class Operation:
    """One operation of the REST API."""

    name: str
    method: str
    path: str
    # Any one of these opens it; None is for everybody, an empty one for whoever has signed in.
    scopes: frozenset[str] | None
    parameters: tuple[str, ...]
    statuses: frozenset[int]

    def url(self, **values: str) -> str:
        return self.path.format(**dict.fromkeys(self.parameters, "none") | values)


@dataclass(frozen=True)
class Rpc:
    """One method of a service."""

    name: str
    access: Access
    request: Descriptor
    is_endless: bool

    @property
    def method(self) -> str:
        return self.name.rpartition("/")[2]

    @property
    def service(self) -> str:
        return self.name.split(".")[1]

    @property
    def fields(self) -> set[str]:
        return set(self.request.fields_by_name)


def operations() -> list[Operation]:
    described = json.loads((ROOT / "gateway" / "openapi.json").read_text())
    return [
        Operation(
            told["operationId"],
            method.upper(),
            path,
            scopes_of(told.get("security")),
            tuple(one["name"] for one in told.get("parameters", []) if one["in"] == "path"),
            frozenset(int(status) for status in told["responses"] if status.isdigit()),
        )
        for path, methods in described["paths"].items()
        for method, told in methods.items()
    ]


def scopes_of(security: list[dict[str, list[str]]] | None) -> frozenset[str] | None:
    if security is None:
        return None
    return frozenset(scope for way in security for scopes in way.values() for scope in scopes)


def rpcs() -> list[Rpc]:
    """List the methods that have a rule; no other is served."""
    found = []
    for name, access in RULES.items():
        _, service, method = name.split("/")
        described: Any = descriptor_pool.Default().FindServiceByName(service).methods_by_name[method]
        found.append(Rpc(name, access, described.input_type, method.startswith("Watch")))
    return found


@contextmanager
def channels(stack: Stack) -> Iterator[dict[str, grpc.Channel]]:
    opened = {name: grpc.insecure_channel(address) for name, address in stack.ready["grpc"].items()}
    try:
        yield opened
    finally:
        for channel in opened.values():
            channel.close()


@dataclass(frozen=True)
class Answer:
    """How a call ended, and what came before that."""

    code: grpc.StatusCode
    messages: tuple[bytes, ...] = ()


def call(
    channel: grpc.Channel, rpc: Rpc, *messages: bytes, metadata: Sequence[tuple[str, str]] = (), seconds: float = 0.0
) -> Answer:
    """Send bytes to a method as they are; an endless one is left after its first message or a moment."""
    patience = seconds or (0.5 if rpc.is_endless else PATIENCE_SECONDS)
    answers = channel.stream_stream(rpc.name)(iter(messages), metadata=metadata, timeout=patience)
    found: list[bytes] = []
    try:
        for message in answers:
            found.append(message)
            if rpc.is_endless or len(found) > ANSWERS_MAX:
                answers.cancel()
                break
    except grpc.RpcError as error:
        return Answer(error.code(), tuple(found))
    return Answer(grpc.StatusCode.OK, tuple(found))


def ask(
    http: httpx2.Client, operation: Operation, headers: dict[str, str], *, body: Any = None, **values: str
) -> httpx2.Response:
    """Send an operation, by default without a body."""
    sent = {**headers, "Idempotency-Key": uuid.uuid4().hex, "If-Match": '"1"'}
    return http.request(operation.method, operation.url(**values), headers=sent, json=body)


def metadata_of(person: Person) -> tuple[tuple[str, str], ...]:
    """Sign a call in and give it a key of its own."""
    return *((name.lower(), value) for name, value in person.headers.items()), ("idempotency-key", uuid.uuid4().hex)
