"""Channels to other processes: a deadline on every call, the caller's identity and trace forwarded."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from grpc import aio

from chassis import logs, trace
from chassis.clock import SystemClock
from chassis.keys import SERVICE_TOKEN, Signer
from chassis.rpc_errors import failure_of

SERVICE_TOKEN_SECONDS = 60
RETRY = {
    "maxAttempts": 3,
    "initialBackoff": "0.05s",
    "maxBackoff": "0.5s",
    "backoffMultiplier": 2,
    # A server that stops cancels what it has not begun.
    "retryableStatusCodes": ["UNAVAILABLE", "CANCELLED"],
}
"""Safe for every method: reads change nothing, and writes carry a key that makes a repeat harmless."""
RETRYING = {
    "methodConfig": [{"name": [{}], "retryPolicy": RETRY}],
    "retryThrottling": {"maxTokens": 20, "tokenRatio": 0.1},
}
OPTIONS = [
    ("grpc.service_config", json.dumps(RETRYING)),
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.initial_reconnect_backoff_ms", 100),
    # Also how long one attempt may take: a busy server is no dead one.
    ("grpc.min_reconnect_backoff_ms", 2_000),
    ("grpc.max_reconnect_backoff_ms", 250),
    ("grpc.max_receive_message_length", 8 * 1024 * 1024),
    # A failure with all its facts comes in trailers.
    ("grpc.max_metadata_size", 64 * 1024),
]


def open_channel(address: str) -> aio.Channel:
    """Open a channel that finds its way back by itself."""
    return aio.insecure_channel(address, options=OPTIONS)


class ServiceIdentity:
    """Shows in whose name a process itself calls, with a token renewed well before it ends."""

    def __init__(self, signer: Signer, *, now: Callable[[], datetime] = lambda: SystemClock().now()) -> None:
        self._signer = signer
        self._now = now
        self._token = ""
        self._renew_at = datetime.min.replace(tzinfo=UTC)

    def metadata(self) -> tuple[tuple[str, str], ...]:
        """Return the metadata of a call in the process's own name."""
        now = self._now()
        if now >= self._renew_at:
            ttl = timedelta(seconds=SERVICE_TOKEN_SECONDS)
            self._token = self._signer.sign({}, typ=SERVICE_TOKEN.typ, now=now, ttl=ttl)
            self._renew_at = now + ttl / 2
        found = [("x-headway-service", self._token)]
        if request_id := logs.request_id.get():
            found.append(("x-request-id", request_id))
        if traceparent := trace.current_traceparent():
            found.append(("traceparent", traceparent))
        return tuple(found)


@contextmanager
def reading_failures() -> Iterator[None]:
    """Turn what a call raises into the failure that the other process meant."""
    try:
        yield
    except aio.AioRpcError as error:
        raise failure_of(error) from error
