"""The outermost layer of every request: its names, its time, its headers, and an answer whatever happens."""

import hashlib
import re
import time
from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Gauge, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chassis import logs, trace
from chassis.errors import Failure, Overloaded
from chassis.ids import new_id
from gateway.problems import problem_response

log = logs.EventLog(__name__)

REQUEST_ID = re.compile(r"[A-Za-z0-9_.:-]{1,64}")
WAITING_MAX = 1000
"""Requests that have no answer yet; streams that run count no longer."""
POLICY = (
    "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; worker-src 'self' blob:;"
    " object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
SECURITY_HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
    (b"content-security-policy", POLICY.encode()),
]


class Edge:
    """Wraps the whole application."""

    def __init__(self, app: ASGIApp, *, registry: CollectorRegistry) -> None:
        self._app = app
        self._seconds = Histogram(
            "headway_http_seconds", "Time to the end of an answer", ["operation", "status"], registry=registry
        )
        self._waiting = Gauge("headway_http_waiting", "Requests without an answer yet", registry=registry)
        self.waiting = 0
        self._waiting.set_function(lambda: self.waiting)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        request_id, etags = follow(scope["headers"])
        if scope["type"] == "websocket":
            await self._app(scope, receive, send)
            return
        answer = Answer(self, scope, send, request_id, etags)
        if scope["method"] == "HEAD":
            scope = {**scope, "method": "GET"}  # answered alike, and sent without the body
        try:
            await self._serve(answer, scope, receive)
        finally:
            answer.leave()
            operation = getattr(scope.get("route"), "name", None) or "none"
            self._seconds.labels(operation, answer.status).observe(time.perf_counter() - answer.began)

    async def _serve(self, answer: "Answer", scope: Scope, receive: Receive) -> None:
        """Answer a request; what nobody foresaw is logged and answered in general words."""
        if self.waiting > WAITING_MAX:
            await problem_response(Overloaded(), path=scope["path"])(scope, receive, answer.send)
            return
        try:
            await self._app(scope, receive, answer.send)
        except Exception:
            log.bug("request_failed")
            if answer.status:
                raise
            await problem_response(Failure(), path=scope["path"])(scope, receive, answer.send)


class Answer:
    """The answer to one request on its way out."""

    def __init__(self, edge: Edge, scope: Scope, send: Send, request_id: str, etags: bytes) -> None:
        self._edge = edge
        self._send = send
        self._request_id = request_id
        self._is_read = scope["method"] in ("GET", "HEAD")
        self._etags = etags if self._is_read else b""
        self._is_bodiless = scope["method"] == "HEAD"
        self._start: Message | None = None
        self._is_waiting = True
        self.began = time.perf_counter()
        self.status = 0
        edge.waiting += 1

    async def send(self, message: Message) -> None:
        """Send on, with our headers; what is read whole and has no ETag waits for its body, which makes one."""
        if message["type"] == "http.response.start":
            self.leave()
            if self._is_read and wants_etag(message):
                self._start = message
            else:
                await self._begin(message)
            return
        if self._start is not None:
            start, self._start = self._start, None
            await self._begin(start if message.get("more_body") else with_etag(start, message.get("body", b"")))
        await self._send({**message, "body": b""} if self._is_bodiless else message)

    async def _begin(self, message: Message) -> None:
        """Send the head of an answer; a body that the caller has already becomes a 304."""
        self.status = message["status"]
        if self._etags and self.status == 200 and has_match(self._etags, message["headers"]):
            self._is_bodiless, self.status = True, 304
            message = {**message, "status": 304, "headers": list(without_length(message["headers"]))}
        ours = [(b"x-request-id", self._request_id.encode()), *SECURITY_HEADERS]
        await self._send({**message, "headers": [*message["headers"], *ours]})

    def leave(self) -> None:
        """Count this request among the waiting no longer."""
        self._edge.waiting -= self._is_waiting
        self._is_waiting = False


def follow(headers: Iterable[tuple[bytes, bytes]]) -> tuple[str, bytes]:
    """Go on with the caller's request id and trace, or begin them; return the id and If-None-Match."""
    request_id, traceparent, etags = "", "", b""
    for name, value in headers:
        if name == b"x-request-id":
            request_id = value.decode("latin-1")
        elif name == b"traceparent":
            traceparent = value.decode("latin-1")
        elif name == b"if-none-match":
            etags = value
    if not REQUEST_ID.fullmatch(request_id):
        request_id = new_id("req")
    logs.request_id.set(request_id)
    trace.follow(traceparent)
    return request_id, etags


def wants_etag(start: Message) -> bool:
    """Tell whether an answer could have an ETag and has none: it may be kept and its length is known."""
    headers = {name.lower(): value for name, value in start["headers"]}
    return (
        start["status"] == 200
        and b"content-length" in headers
        and b"etag" not in headers
        and b"no-store" not in headers.get(b"cache-control", b"")
    )


def with_etag(start: Message, body: bytes) -> Message:
    """Add a digest of the body as a strong entity tag."""
    digest = hashlib.blake2b(body, digest_size=16).hexdigest()
    return {**start, "headers": [*start["headers"], (b"etag", f'"{digest}"'.encode())]}


def has_match(etags: bytes, headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Compare weakly, as RFC 9110 13.1.2 says."""
    current = next((value for name, value in headers if name.lower() == b"etag"), None)
    given = {tag.strip().removeprefix(b"W/") for tag in etags.split(b",")}
    return current is not None and (b"*" in given or current.removeprefix(b"W/") in given)


def without_length(headers: Iterable[tuple[bytes, bytes]]) -> Iterable[tuple[bytes, bytes]]:
    return (header for header in headers if header[0].lower() not in (b"content-length", b"content-type"))
