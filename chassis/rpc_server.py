"""The gRPC edge of a service: parse, identify, admit, time, answer every failure in one form, and count."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf.message import DecodeError, Message
from grpc import aio
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import aio as health_aio
from grpc_reflection.v1alpha import reflection
from prometheus_client import CollectorRegistry, Histogram

from chassis import logs, trace
from chassis.access import Caller, Rules, identify
from chassis.clock import Clock
from chassis.errors import Failure, InvalidInput, MissingKey
from chassis.ids import new_id
from chassis.keys import Verifier
from chassis.replies import Once
from chassis.rpc_errors import code_of, status_of

log = logs.EventLog(__name__)

MESSAGE_BYTES_MAX = 1024 * 1024
CALLS_MAX = 2000
IDEMPOTENCY_KEY_CHARS_MAX = 255
DEADLINE_SECONDS_MAX = 60.0
UNGUARDED = ("/grpc.health.", "/grpc.reflection.")
OPTIONS = [
    ("grpc.max_receive_message_length", MESSAGE_BYTES_MAX),
    ("grpc.max_send_message_length", 8 * MESSAGE_BYTES_MAX),
    ("grpc.max_concurrent_streams", 1000),
    ("grpc.so_reuseport", 0),
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
]

Context = aio.ServicerContext[Any, Any]
_current: ContextVar["CurrentCall"] = ContextVar("current_call")


class MalformedMessage(InvalidInput):
    reason = "MALFORMED_BODY"
    detail = "The message cannot be decoded as what this method takes."


@dataclass(frozen=True, slots=True)
class CurrentCall:
    """What the edge has found out about the call in progress."""

    method: str
    caller: Caller
    idempotency_key: str


def current_caller() -> Caller:
    """Return who makes the call in progress."""
    return _current.get().caller


def once_for(request: Message, context: Context) -> Once:
    """Make the key under which this call acts once; raise MissingKey when the caller sent none."""
    call = _current.get()
    if not 0 < len(call.idempotency_key) <= IDEMPOTENCY_KEY_CHARS_MAX:
        raise MissingKey
    once = Once.of(
        subject=call.caller.subject,
        operation=call.method,
        key=call.idempotency_key,
        body=request.SerializeToString(deterministic=True),
    )
    return Once(once.digest, once.fingerprint, on_replay=lambda: announce_replay(context))


def once_if_keyed(request: Message, context: Context) -> Once | None:
    """Make the key of a call that may come without one."""
    return once_for(request, context) if _current.get().idempotency_key else None


def announce_replay(context: Context) -> None:
    """Tell the caller that this answer was given before."""
    context.set_trailing_metadata((("idempotent-replayed", "true"),))


class Edge(aio.ServerInterceptor):
    """Wraps every method; nothing reaches a servicer that was not parsed, identified and admitted here."""

    def __init__(
        self, rules: Rules, verifier: Verifier, clock: Clock, *, registry: CollectorRegistry | None = None
    ) -> None:
        self._rules = rules
        self._verifier = verifier
        self._clock = clock
        self.in_flight = 0
        self._seconds = Histogram(
            "headway_rpc_seconds", "Time of a call", ["method", "code"], registry=registry or CollectorRegistry()
        )

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Any]],
        details: grpc.HandlerCallDetails,
    ) -> Any:
        handler: Any = await continuation(details)
        method = str(details.method)
        if handler is None or method.startswith(UNGUARDED):
            return handler
        if handler.request_streaming:
            return grpc.stream_stream_rpc_method_handler(
                self._streaming(method, handler.stream_stream, parsed_stream(handler)),
                None,
                handler.response_serializer,
            )
        if handler.response_streaming:
            return grpc.unary_stream_rpc_method_handler(
                self._streaming(method, handler.unary_stream, parsed(handler)), None, handler.response_serializer
            )
        return grpc.unary_unary_rpc_method_handler(
            self._unary(method, handler.unary_unary, parsed(handler)), None, handler.response_serializer
        )

    def _unary(self, method: str, behaviour: Callable[..., Any], parse: Callable[[Any], Any]) -> Callable[..., Any]:
        async def serve(request: bytes, context: Context) -> Any:
            async with Watched(self, method, context):
                return await behaviour(parse(request), context)

        return serve

    def _streaming(self, method: str, behaviour: Callable[..., Any], parse: Callable[[Any], Any]) -> Callable[..., Any]:
        async def serve(request: Any, context: Context) -> AsyncIterator[Any]:
            async with Watched(self, method, context):
                async for reply in behaviour(parse(request), context):
                    yield reply

        return serve

    def enter(self, method: str, context: Context) -> None:
        """Identify and admit the caller and set what the call's code may ask for."""
        metadata = {name: value for name, value in context.invocation_metadata() or () if isinstance(value, str)}
        logs.request_id.set(metadata.get("x-request-id") or new_id("req"))
        trace.follow(metadata.get("traceparent"))
        caller = identify(metadata, self._verifier, now=self._clock.now())
        self._rules[method].admit(caller)
        _current.set(CurrentCall(method, caller, metadata.get("idempotency-key", "")))

    def count(self, method: str, code: grpc.StatusCode, seconds: float) -> None:
        self._seconds.labels(method.rpartition("/")[2], code.name).observe(seconds)


class Watched:
    """The time between a call's beginning and its end, whatever the end."""

    def __init__(self, edge: Edge, method: str, context: Context) -> None:
        self._edge = edge
        self._method = method
        self._context = context

    async def __aenter__(self) -> None:
        self._began = time.perf_counter()
        self._edge.in_flight += 1
        try:
            self._edge.enter(self._method, self._context)
        except Failure as failure:
            await self._refuse(failure)

    async def __aexit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if error is None or isinstance(error, (asyncio.CancelledError, GeneratorExit)):
            self._finish(grpc.StatusCode.OK if error is None else grpc.StatusCode.CANCELLED)
        elif isinstance(error, aio.AbortError):
            pass
        elif isinstance(error, Failure):
            await self._refuse(error)
        else:
            log.bug("rpc_failed", method=self._method)
            await self._refuse(Failure())

    async def _refuse(self, failure: Failure) -> None:
        self._finish(code_of(failure))
        await self._context.abort_with_status(status_of(failure))

    def _finish(self, code: grpc.StatusCode) -> None:
        self._edge.in_flight -= 1
        self._edge.count(self._method, code, time.perf_counter() - self._began)


def parsed(handler: Any) -> Callable[[bytes], Any]:
    """Parse a request in one place, so that a broken one is the caller's mistake and names no class of ours."""

    def parse(request: bytes) -> Any:
        try:
            return handler.request_deserializer(request)
        except (DecodeError, ValueError) as error:
            raise MalformedMessage from error

    return parse


def parsed_stream(handler: Any) -> Callable[[AsyncIterator[bytes]], AsyncIterator[Any]]:
    """Parse each message of a stream as it comes."""
    parse = parsed(handler)

    async def messages(requests: AsyncIterator[bytes]) -> AsyncIterator[Any]:
        async for request in requests:
            yield parse(request)

    return messages


def seconds_left(context: Context) -> float | None:
    """Tell how long the caller still waits, at most a minute; None when it set no deadline."""
    left = context.time_remaining()
    return None if left is None else min(left, DEADLINE_SECONDS_MAX)


class RpcServer:
    """A grpc.aio server with health and reflection."""

    def __init__(self, edge: Edge, *, host: str, port: int, has_reflection: bool = True) -> None:
        self._edge = edge
        self._has_reflection = has_reflection
        self._names: list[str] = [health_pb2.DESCRIPTOR.services_by_name["Health"].full_name]
        self.server = aio.server(interceptors=[edge], options=OPTIONS, maximum_concurrent_rpcs=CALLS_MAX)
        self.health = health_aio.HealthServicer()
        self.port = self.server.add_insecure_port(f"{host}:{port}")
        health_pb2_grpc.add_HealthServicer_to_server(self.health, self.server)

    def add(self, register: Callable[[Any, aio.Server], None], servicer: object, descriptor: Any) -> None:
        """Serve a servicer under its service's full name; each of its methods must have a rule."""
        missing = [name for name in method_names(descriptor) if name not in self._edge._rules]
        if missing:
            raise SystemExit(f"These methods have no access rule: {', '.join(missing)}")
        register(servicer, self.server)
        self._names.append(descriptor.full_name)

    async def start(self) -> None:
        if self._has_reflection:
            reflection.enable_server_reflection([*self._names, reflection.SERVICE_NAME], self.server)
        await self.server.start()
        await self._report(health_pb2.HealthCheckResponse.SERVING)

    async def stop(self, grace_seconds: float) -> None:
        """Say that no more is wanted, let what runs finish, then close."""
        await self._report(health_pb2.HealthCheckResponse.NOT_SERVING)
        await self.server.stop(grace_seconds)

    async def _report(self, status: int) -> None:
        for name in ("", *self._names[1:]):
            await self.health.set(name, status)


def method_names(descriptor: Any) -> list[str]:
    """List a service's full method names."""
    return [f"/{descriptor.full_name}/{method.name}" for method in descriptor.methods]
