"""Bounds what one caller may ask for: the size of a body and the rate of requests."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address, ip_network

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chassis.access import Caller
from chassis.errors import OverLimit
from gateway.problems import HttpRefusal, problem_response

BODY_BYTES_MAX = 64 * 1024
LARGER_BODIES: Mapping[str, tuple[int, str]] = {
    # A zip of 64 MiB and the form around it.
    "/v1/feeds": (64 * 1024 * 1024 + BODY_BYTES_MAX, "timetable:write"),
    # A departure of 300 calls, a fare for each pair of 100 zones, a ferry's 2,000 seats.
    "/v1/departures": (1024 * 1024, "timetable:write"),
    "/v1/fare-policies": (1024 * 1024, "fares:write"),
    "/v1/layouts": (1024 * 1024, "timetable:write"),
    # 500 positions, 200 quotes.
    "/v1/vehicles": (256 * 1024, "positions:write"),
    "/v1/quotes/batch": (256 * 1024, ""),
}
"""Where larger bodies are taken: how large, and the scope of those who may send them; any that signs in when empty."""
BODY_SECONDS = 30.0
BODY_BYTES_PER_SECOND_MIN = 256 * 1024
"""How long a body may take to arrive: half a minute, and more for a large one."""
BUCKETS_MAX = 50_000


@dataclass(frozen=True, slots=True)
class Policy:
    """A bucket's size and how fast it fills again."""

    name: str
    burst: int
    per_second: float


ORDINARY = Policy("ordinary", burst=200, per_second=50.0)
CREDENTIALS = Policy("credentials", burst=30, per_second=0.5)
"""For what guesses passwords or references, or makes accounts: by address, whoever says to call."""
CREDENTIALS_PATHS = frozenset({"/v1/oauth/token", "/v1/riders", "/v1/guests", "/v1/bookings/lookup"})


class Buckets:
    """Token buckets by caller (https://en.wikipedia.org/wiki/Token_bucket)."""

    def __init__(self, policy: Policy, *, clock: Callable[[], float] = time.monotonic, size: int = BUCKETS_MAX) -> None:
        self.policy = policy
        self._clock = clock
        self._size = size
        # Caller -> what was left and when; whoever was away longest is forgotten first, by when their bucket is full.
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, caller: str) -> tuple[float, float]:
        """Take one; return what is left and how many seconds to wait if nothing was."""
        now = self._clock()
        left, at = self._left.get(caller, (float(self.policy.burst), now))
        left = min(self.policy.burst, left + (now - at) * self.policy.per_second)
        wait_seconds = 0.0 if left >= 1 else (1 - left) / self.policy.per_second
        left -= 0 if wait_seconds else 1
        self._left[caller] = (left, now)
        self._left.move_to_end(caller)
        if len(self._left) > self._size:
            self._left.popitem(last=False)
        return left, wait_seconds


class RateLimits:
    """Refuses what comes too fast from one subject, or from one address where nobody has signed in."""

    def __init__(
        self, app: ASGIApp, *, subject_of: Callable[[Scope], str], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._app = app
        self._subject_of = subject_of
        self._ordinary = Buckets(ORDINARY, clock=clock)
        self._credentials = Buckets(CREDENTIALS, clock=clock)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith("/v1/"):
            await self._app(scope, receive, send)
            return
        buckets = self._credentials if scope["path"] in CREDENTIALS_PATHS else self._ordinary
        caller = address_block(scope) if buckets is self._credentials else self._subject_of(scope)
        left, wait_seconds = buckets.take(caller or address_block(scope))
        if wait_seconds:
            refusal = problem_response(OverLimit(retry_after_seconds=wait_seconds), path=scope["path"])
            await refusal(scope, receive, telling(send, buckets.policy, left, wait_seconds))
        else:
            await self._app(scope, receive, telling(send, buckets.policy, left, wait_seconds))


def telling(send: Send, policy: Policy, left: float, wait_seconds: float) -> Send:
    """Tell in an answer how much is left.

    https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/
    """
    window = round(policy.burst / policy.per_second)
    headers = [
        (b"ratelimit-policy", f'"{policy.name}";q={policy.burst};w={window}'.encode()),
        (b"ratelimit", f'"{policy.name}";r={int(left)};t={int(wait_seconds) + 1 if wait_seconds else 0}'.encode()),
    ]

    async def send_telling(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message["headers"], *headers]
        await send(message)

    return send_telling


def address_block(scope: Scope) -> str:
    """Name where a request comes from: an IPv4 address, or the /64 that one IPv6 user has to himself."""
    host = scope["client"][0] if scope.get("client") else ""
    try:
        address = ip_address(host)
    except ValueError:
        return str(host)
    return str(ip_network(f"{host}/64", strict=False)) if isinstance(address, IPv6Address) else host


class BodyLimit:
    """Stops reading a body that is larger than its operation takes, however it is sent.

    Larger ones are read for those only who may send them: reading comes before anything else is checked. A body that
    comes too slowly is not waited for.
    """

    def __init__(self, app: ASGIApp, *, caller_of: Callable[[Scope], Caller]) -> None:
        self._app = app
        self._caller_of = caller_of

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        bytes_max = self._bytes_max(scope)
        if declared_bytes(scope) > bytes_max:
            await problem_response(HttpRefusal("body_too_large"), path=scope["path"])(scope, receive, send)
            return
        received_bytes, is_whole = 0, False
        late_at = asyncio.get_running_loop().time() + BODY_SECONDS + bytes_max / BODY_BYTES_PER_SECOND_MIN

        async def receive_bounded() -> Message:
            nonlocal received_bytes, is_whole
            try:
                async with asyncio.timeout_at(None if is_whole else late_at):
                    message = await receive()
            except TimeoutError:
                raise HTTPException(408) from None
            received_bytes += len(message.get("body", b""))
            is_whole = not message.get("more_body")
            if received_bytes > bytes_max:
                raise HTTPException(413)
            return message

        await self._app(scope, receive_bounded, send)

    def _bytes_max(self, scope: Scope) -> int:
        """Say how large a body an operation takes from whoever sends it."""
        bytes_max, needed = largest_body(scope["path"])
        if bytes_max == BODY_BYTES_MAX:
            return bytes_max
        caller = self._caller_of(scope)
        may_send = caller.has(needed) if needed else bool(caller.subject)
        return bytes_max if may_send else BODY_BYTES_MAX


def largest_body(path: str) -> tuple[int, str]:
    """Say how large a body an operation takes, and the scope of those who may send one so large."""
    larger = (found for prefix, found in LARGER_BODIES.items() if path.startswith(prefix))
    return next(larger, (BODY_BYTES_MAX, ""))


def declared_bytes(scope: Scope) -> int:
    """Return the length that a request says its body has; 0 when it does not say."""
    for name, value in scope["headers"]:
        if name == b"content-length":
            return int(value) if value.isdigit() else 0
    return 0
