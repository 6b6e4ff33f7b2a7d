"""The gRPC edge of a service: parse, identify, admit, time, answer every failure in one form, and count."""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from functools import partial
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
REPLAYED = (("idempotent-replayed", "true"),)
WAITING = re.compile(r"headway_(outbox)_waiting_rows|headway_consumer_(\w+)_pending_messages")
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

HEALTH = health_pb2.DESCRIPTOR.services_by_name["Health"].full_name

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
    body = request.SerializeToString(deterministic=True)
    once = Once.of(subject=call.caller.subject, operation=call.method, key=call.idempotency_key, body=body)
    return replace(once, on_replay=lambda: context.set_trailing_metadata(REPLAYED))


def once_if_keyed(request: Message, context: Context) -> Once | None:
    """Make the key of a call that may come without one."""
    return once_for(request, context) if _current.get().idempotency_key else None


class Edge(aio.ServerInterceptor):
    """Wraps every method; nothing reaches a servicer that was not parsed, identified and admitted here."""

    def __init__(
        self, rules: Rules, verifier: Verifier, clock: Clock, *, registry: CollectorRegistry | None = None
    ) -> None:
        self.rules = rules
        self._verifier = verifier
        self._clock = clock
        self.in_flight = 0
        self._is_stopping = False
        # What else is to be told that no more is wanted: streams that listen to nobody.
        self.on_stopping: list[Callable[[], None]] = []
        self._listening: set[asyncio.Timeout] = set()
        self._guarded: dict[str, Any] = {}
        self.registry = registry or CollectorRegistry()
        self._seconds = Histogram("headway_rpc_seconds", "Time of a call", ["method", "code"], registry=self.registry)

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Any]],
        details: grpc.HandlerCallDetails,
    ) -> Any:
        method = str(details.method)
        if method not in self._guarded:
            handler: Any = await continuation(details)
            if handler is None or method.startswith(UNGUARDED):
                return handler
            self._guarded[method] = self._guard(method, handler)
        return self._guarded[method]

    def _guard(self, method: str, handler: Any) -> Any:
        """Wrap a method, once: what is made for each call weighs on every open stream."""
        sides = ("stream" if flag else "unary" for flag in (handler.request_streaming, handler.response_streaming))
        kind = "_".join(sides)
        parse = parsed(handler.request_deserializer)
        take = partial(self._messages, parse) if handler.request_streaming else lambda request, _: parse(request)
        wrap = self._streaming if handler.response_streaming else self._unary
        served = wrap(method, getattr(handler, kind), take)
        write = unless_written(handler.response_serializer)
        return handler._replace(request_deserializer=None, response_serializer=write, **{kind: served})

    def _unary(self, method: str, behaviour: Callable[..., Any], take: Callable[..., Any]) -> Callable[..., Any]:
        async def serve(request: Any, context: Context) -> Any:
            async with self._watched(method, context):
                return await behaviour(take(request, context), context)

        return serve

    def _streaming(self, method: str, behaviour: Callable[..., Any], take: Callable[..., Any]) -> Callable[..., Any]:
        async def serve(request: Any, context: Context) -> AsyncIterator[Any]:
            async with self._watched(method, context):
                async for reply in behaviour(take(request, context), context):
                    yield reply
                    del reply  # or it would be kept for as long as there is no other

        return serve

    @asynccontextmanager
    async def _watched(self, method: str, context: Context) -> AsyncIterator[None]:
        """Admit a call, answer its failure, and count it, however it ends."""
        began, code = time.perf_counter(), grpc.StatusCode.CANCELLED
        self.in_flight += 1
        try:
            self._enter(method, context)
            yield
            code = grpc.StatusCode.OK
        except aio.AbortError:
            raise
        except Exception as error:
            if not isinstance(error, Failure):
                log.bug("rpc_failed", method=method)
            failure = error if isinstance(error, Failure) else Failure()
            code = code_of(failure)
            await context.abort_with_status(status_of(failure))
        finally:
            self.in_flight -= 1
            self._seconds.labels(method.rpartition("/")[2], code.name).observe(time.perf_counter() - began)

    async def _messages(self, parse: Callable[[bytes], Any], _requests: object, context: Context) -> AsyncIterator[Any]:
        """Parse each message of a stream as it comes and keep none; end the stream when the server is to stop."""
        while not self._is_stopping:
            patience = asyncio.timeout(None)
            self._listening.add(patience)
            try:
                async with patience:
                    request = await context.read()
            except TimeoutError:
                return
            finally:
                self._listening.discard(patience)
            if request is aio.EOF:
                return
            yield parse(request)
            del request

    def end_streams(self) -> None:
        """Take no more messages from open streams: each answers what it has taken and ends."""
        self._is_stopping = True
        for patience in self._listening:
            patience.reschedule(0)
        for tell in self.on_stopping:
            tell()

    def _enter(self, method: str, context: Context) -> None:
        """Identify and admit the caller and set what the call's code may ask for."""
        metadata = {name: value for name, value in context.invocation_metadata() or () if isinstance(value, str)}
        logs.request_id.set(metadata.get("x-request-id") or new_id("req"))
        trace.follow(metadata.get("traceparent"))
        caller = identify(metadata, self._verifier, now=self._clock.now())
        self.rules[method].admit(caller)
        _current.set(CurrentCall(method, caller, metadata.get("idempotency-key", "")))


def parsed(deserialize: Callable[[bytes], Any]) -> Callable[[bytes], Any]:
    """Parse a request in one place, so that a broken one is the caller's mistake and names no class of ours."""

    def parse(request: bytes) -> Any:
        try:
            return deserialize(request)
        except (DecodeError, ValueError) as error:
            raise MalformedMessage from error

    return parse


def unless_written(serialize: Callable[[Any], bytes]) -> Callable[[Any], bytes]:
    """Let a reply pass that was written once for many callers."""
    return lambda reply: reply if isinstance(reply, bytes) else serialize(reply)


def seconds_left(context: Context) -> float | None:
    """Tell how long the caller still waits, at most a minute; None when it set no deadline."""
    left = context.time_remaining()
    return None if left is None else min(left, DEADLINE_SECONDS_MAX)


class Health(health_aio.HealthServicer):  # type: ignore[misc]
    """Tells beside its health, as metadata, how many events wait to leave the process and to be taken in."""

    def __init__(self, registry: CollectorRegistry) -> None:
        super().__init__()
        self._registry = registry

    async def Check(self, request: health_pb2.HealthCheckRequest, context: Context) -> Any:
        found = ((WAITING.fullmatch(metric.name), metric) for metric in self._registry.collect())
        waiting = [(f"waiting-{name[1] or name[2]}", f"{one.samples[0].value:.0f}") for name, one in found if name]
        context.set_trailing_metadata(tuple(waiting))
        return await super().Check(request, context)


class RpcServer:
    """A grpc.aio server with health and reflection."""

    def __init__(
        self, edge: Edge, *, host: str, port: int, has_reflection: bool = True, calls_max: int = CALLS_MAX
    ) -> None:
        self._edge = edge
        self._has_reflection = has_reflection
        self._names: list[str] = []
        self.server = aio.server(interceptors=[edge], options=OPTIONS, maximum_concurrent_rpcs=calls_max)
        self.health = Health(edge.registry)
        self.port = self.server.add_insecure_port(f"{host}:{port}")
        health_pb2_grpc.add_HealthServicer_to_server(self.health, self.server)

    def add(self, register: Callable[[Any, aio.Server], None], servicer: object, descriptor: Any) -> None:
        """Serve a servicer under its service's full name; each of its methods must have a rule."""
        missing = [name for name in method_names(descriptor) if name not in self._edge.rules]
        if missing:
            raise SystemExit(f"These methods have no access rule: {', '.join(missing)}")
        register(servicer, self.server)
        self._names.append(descriptor.full_name)

    async def start(self) -> None:
        if self._has_reflection:
            reflection.enable_server_reflection([*self._names, HEALTH, reflection.SERVICE_NAME], self.server)
        await self.server.start()
        for name in self._names:
            await self.health.set(name, health_pb2.HealthCheckResponse.SERVING)

    async def stop(self, grace_seconds: float) -> None:
        """Say that no more is wanted, let what runs finish, then close."""
        await self.health.enter_graceful_shutdown()
        self._edge.end_streams()
        await self.server.stop(grace_seconds)


def method_names(descriptor: Any) -> list[str]:
    """List a service's full method names."""
    return [f"/{descriptor.full_name}/{method.name}" for method in descriptor.methods]
