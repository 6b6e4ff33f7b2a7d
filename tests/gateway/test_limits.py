"""Nobody gets more than their share, and nobody loses theirs to somebody else."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from starlette.types import Receive, Scope, Send

from chassis.access import Caller
from gateway import limits
from gateway.app import layers
from gateway.limits import (
    BODY_BYTES_MAX,
    CREDENTIALS,
    CREDENTIALS_PATHS,
    ORDINARY,
    Buckets,
    Policy,
    RateLimits,
    address_block,
)
from gateway.openapi import operations
from tests.gateway.running import Running, bearer, problem, running, settings_for

POLICY = Policy("test", burst=3, per_second=2.0)


class Ticks:
    """A clock of seconds."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def ticks() -> Ticks:
    return Ticks()


def test_a_burst_is_taken_and_then_the_rate_holds(ticks: Ticks):
    buckets = Buckets(POLICY, clock=ticks)
    assert [buckets.take("a") for _ in range(3)] == [(2, 0), (1, 0), (0, 0)]
    assert buckets.take("a") == (0, 0.5)
    ticks.now += 0.5
    assert buckets.take("a")[1] == 0
    assert buckets.take("a")[1] == 0.5


def test_whoever_waits_as_told_is_served(ticks: Ticks):
    buckets = Buckets(POLICY, clock=ticks)
    served = 0
    for _ in range(50):
        _, wait_seconds = buckets.take("a")
        served += not wait_seconds
        ticks.now += wait_seconds
    assert served >= 25


def test_being_refused_costs_nothing(ticks: Ticks):
    buckets = Buckets(POLICY, clock=ticks)
    for _ in range(100):
        buckets.take("a")
    ticks.now += 0.5
    assert buckets.take("a")[1] == 0


def test_a_bucket_never_holds_more_than_a_burst(ticks: Ticks):
    buckets = Buckets(POLICY, clock=ticks)
    buckets.take("a")
    ticks.now += 1_000_000
    assert buckets.take("a")[0] == 2


def test_callers_have_buckets_of_their_own(ticks: Ticks):
    buckets = Buckets(POLICY, clock=ticks)
    for _ in range(4):
        buckets.take("a")
    assert buckets.take("b") == (2, 0)


def test_a_clock_that_goes_back_breaks_nothing(ticks: Ticks):
    buckets = Buckets(POLICY, clock=ticks)
    buckets.take("a")
    ticks.now -= 1
    left, wait_seconds = buckets.take("a")
    assert (left >= 0, wait_seconds <= 2) == (True, True)


def test_only_so_many_buckets_are_kept(ticks: Ticks):
    buckets = Buckets(POLICY, clock=ticks, size=100)
    for number in range(1000):
        buckets.take(str(number))
    assert len(buckets._left) == 100


@pytest.mark.parametrize(
    ("host", "block"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::1", "2001:db8:1:2::/64"),
        ("testclient", "testclient"),
        ("", ""),
    ],
)
def test_an_address_block_is_what_one_user_has(host: str, block: str):
    assert address_block({"client": (host, 1)}) == block
    assert address_block({"client": None}) == ""


async def served(scope: Scope, _receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b""})


def limited(ticks: Ticks) -> httpx2.AsyncClient:
    """Return a client of an application that only limits; X-Subject says who calls."""

    def subject_of(scope: Scope) -> str:
        return dict(scope["headers"]).get(b"x-subject", b"").decode()

    app = RateLimits(served, subject_of=subject_of, clock=ticks)
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app, client=("192.0.2.1", 1)), base_url="http://x")


@pytest.fixture
async def client(ticks: Ticks) -> AsyncIterator[httpx2.AsyncClient]:
    async with limited(ticks) as found:
        yield found


async def test_too_many_requests_are_told_when_to_come_back(client: httpx2.AsyncClient, ticks: Ticks):
    for _ in range(ORDINARY.burst):
        assert (await client.get("/v1/stops")).status_code == 200
    reply = await client.get("/v1/stops")
    assert reply.status_code == 429
    assert reply.json()["code"] == "rate_limited"
    assert reply.headers["retry-after"] == "1"
    ticks.now += 1
    assert (await client.get("/v1/stops")).status_code == 200


async def test_an_answer_tells_what_is_left(client: httpx2.AsyncClient):
    reply = await client.get("/v1/stops")
    assert reply.headers["ratelimit-policy"] == '"ordinary";q=200;w=4'
    assert reply.headers["ratelimit"] == '"ordinary";r=199;t=0'


async def test_one_who_asks_too_much_does_not_slow_the_others(client: httpx2.AsyncClient):
    for _ in range(ORDINARY.burst + 1):
        last = await client.get("/v1/stops", headers={"X-Subject": "usr_greedy"})
    assert last.status_code == 429
    assert (await client.get("/v1/stops", headers={"X-Subject": "usr_other"})).status_code == 200
    assert (await client.get("/v1/stops")).status_code == 200


@pytest.mark.parametrize("path", sorted(CREDENTIALS_PATHS))
async def test_guessing_is_bounded_by_address_whoever_says_to_call(client: httpx2.AsyncClient, path: str):
    replies = [
        await client.post(path, headers={"X-Subject": f"usr_{number}", "X-Forwarded-For": f"198.51.100.{number}"})
        for number in range(CREDENTIALS.burst + 1)
    ]
    assert [reply.status_code for reply in replies].index(429) == CREDENTIALS.burst
    assert int(replies[-1].headers["retry-after"]) == 2


async def test_guessing_leaves_the_ordinary_bucket_alone(client: httpx2.AsyncClient):
    for _ in range(CREDENTIALS.burst + 1):
        await client.post("/v1/oauth/token")
    assert (await client.get("/v1/stops")).status_code == 200


async def test_what_operations_ask_is_not_limited(client: httpx2.AsyncClient):
    for _ in range(ORDINARY.burst + 5):
        reply = await client.get("/livez")
    assert reply.status_code == 200


async def test_the_paths_of_credentials_are_served(shared: Running):
    served_paths = {path for path, _, _ in operations(shared.app.openapi())}
    assert served_paths >= CREDENTIALS_PATHS


async def test_a_gateway_limits_by_the_subject_of_a_good_token(sqlite_url: str, tmp_path: Path, ticks: Ticks):
    async with running(settings_for(sqlite_url, tmp_path, rate_limits="on"), ticks=ticks) as gateway:
        greedy, other = [bearer((await gateway.guest())["access_token"]) for _ in range(2)]
        for _ in range(ORDINARY.burst):
            assert (await gateway.client.get("/v1/.well-known/jwks.json", headers=greedy)).status_code == 200
        reply = await gateway.client.get("/v1/me", headers=greedy)
        assert problem(reply, 429, "rate_limited")["retryable"] is True
        assert (await gateway.client.get("/v1/me", headers=other)).status_code == 200
        ticks.now += 1
        assert (await gateway.client.get("/v1/me", headers=greedy)).status_code == 200


async def test_forged_tokens_share_the_bucket_of_their_address(sqlite_url: str, tmp_path: Path, ticks: Ticks):
    async with running(settings_for(sqlite_url, tmp_path, rate_limits="on"), ticks=ticks) as gateway:
        replies = [await gateway.client.get("/v1/me", headers=bearer(f"x{n}")) for n in range(ORDINARY.burst + 1)]
        assert {reply.status_code for reply in replies[:-1]} == {401}
        problem(replies[-1], 429, "rate_limited")


def test_limits_are_off_where_the_settings_say_so(tmp_path: Path):
    def names(switch: str) -> list[str]:
        from prometheus_client import CollectorRegistry

        settings = settings_for("sqlite:///x", tmp_path, rate_limits=switch)
        return [layer.cls.__name__ for layer in layers(settings, CollectorRegistry())]

    assert names("on") == ["Edge", "RateLimits", "PublicCache", "BodyLimit"]
    assert names("off") == ["Edge", "PublicCache", "BodyLimit"]


async def test_every_operation_with_a_body_has_a_limit(shared: Running):
    """No body is read without a bound, whoever sends it: one is set for the whole application."""
    found = [
        (method, path) for path, method, operation in operations(shared.app.openapi()) if "requestBody" in operation
    ]
    assert len(found) > 10
    for method, path in found:
        reply = await shared.client.request(method, path, content=b"x" * (BODY_BYTES_MAX + 1))
        problem(reply, 413, "body_too_large")


async def test_a_body_that_does_not_come_is_not_waited_for(shared: Running, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(limits, "BODY_SECONDS", 0.2)
    headers = [(b"host", b"gateway"), (b"content-type", b"application/json")]
    scope = {
        "type": "http", "method": "POST", "path": "/v1/quotes", "raw_path": b"/v1/quotes", "query_string": b"",
        "headers": headers, "client": ("127.0.0.1", 1), "server": ("gateway", 80), "scheme": "http", "root_path": "",
        "http_version": "1.1", "asgi": {"version": "3.0"},
    }  # fmt: skip
    coming = [{"type": "http.request", "body": b"{", "more_body": True}]
    sent: list[Any] = []

    async def receive() -> Any:
        return coming.pop() if coming else await asyncio.Event().wait()

    async def send(message: Any) -> None:
        sent.append(message)

    await asyncio.wait_for(shared.app(scope, receive, send), 5)
    assert (sent[0]["status"], json.loads(sent[1]["body"])["code"]) == (504, "deadline_exceeded")


async def test_who_has_sent_everything_may_wait_for_as_long_as_it_takes(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(limits, "BODY_SECONDS", 0.1)
    monkeypatch.setattr(limits, "BODY_BYTES_PER_SECOND_MIN", 10**9)
    gone = asyncio.Event()
    coming = [{"type": "http.request", "body": b"x", "more_body": False}]
    seen: list[str] = []

    async def receive() -> Any:
        if coming:
            return coming.pop()
        await gone.wait()
        return {"type": "http.disconnect"}

    async def app(_scope: Scope, receive: Receive, _send: Send) -> None:
        seen.extend([(await receive())["type"], (await receive())["type"]])

    limited = limits.BodyLimit(app, caller_of=lambda _: Caller())
    scope = {"type": "http", "path": "/v1/quotes", "headers": []}
    waiting = asyncio.create_task(limited(scope, receive, served))
    await asyncio.sleep(0.3)
    gone.set()
    await waiting
    assert seen == ["http.request", "http.disconnect"]


@pytest.mark.parametrize(
    ("caller", "bytes_max"),
    [
        (Caller(), BODY_BYTES_MAX),
        (Caller(subject="usr_1", scopes=frozenset({"bookings"})), BODY_BYTES_MAX),
        (Caller(subject="usr_1", scopes=frozenset({"timetable:write"})), limits.LARGER_BODIES["/v1/feeds"][0]),
    ],
)
async def test_a_large_body_is_read_for_those_only_who_may_send_it(caller: Caller, bytes_max: int):
    limited = limits.BodyLimit(served, caller_of=lambda _: caller)
    transport = httpx2.ASGITransport(app=limited)
    async with httpx2.AsyncClient(transport=transport, base_url="http://x") as client:
        for length, status in ((bytes_max, 200), (bytes_max + 1, 413)):
            reply = await client.post("/v1/feeds", content=b"", headers={"Content-Length": str(length)})
            assert reply.status_code == status
