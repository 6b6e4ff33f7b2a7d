"""Public answers are kept for a moment and asked for once, and nobody gets another's failure or an old one."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest
from headway.booking.v1 import timetable_service_pb2
from starlette.types import Receive, Scope, Send

from chassis.errors import Unavailable
from gateway import public_cache
from gateway.public_cache import FEED_KEPT_SECONDS, KEPT_SECONDS, PATHS, RENEWED_BEFORE_SECONDS, PublicCache
from tests.gateway.recording_services import Edge, RecordingServices, gateway_before, recording_server
from tests.gateway.running import problem

STOPS = timetable_service_pb2.ListStopsResponse()


class Ticks:
    """A clock of seconds."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Routes:
    """What lies behind the cache: counts, waits when told to, and fails when told to."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.status = 200
        self.size = 1
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        self.asked.append(scope["path"])
        number, status = len(self.asked), self.status
        scope["route"] = f"route {number}"
        await self.may_answer.wait()
        if status == 0:
            raise RuntimeError("the route broke")
        await send({"type": "http.response.start", "status": status, "headers": [(b"number", b"%d" % number)]})
        await send({"type": "http.response.body", "body": b"x" * self.size})


@pytest.fixture
def ticks() -> Ticks:
    return Ticks()


@pytest.fixture
async def routes() -> Routes:
    return Routes()


@pytest.fixture
def cache(routes: Routes, ticks: Ticks) -> PublicCache:
    return PublicCache(routes, subject_of=lambda scope: dict(scope["headers"])[b"authorization"].decode(), clock=ticks)


@pytest.fixture
async def client(cache: PublicCache) -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=cache), base_url="http://x") as found:
        yield found


async def number(client: httpx2.AsyncClient, path: str = "/v1/stops?q=a", **headers: str) -> int:
    reply = await client.get(path, headers=headers)
    return int(reply.headers["number"])


async def test_the_same_is_asked_once_and_never_told_when_it_is_two_seconds_old(
    client: httpx2.AsyncClient, ticks: Ticks
):
    assert [await number(client) for _ in range(3)] == [1, 1, 1]
    assert KEPT_SECONDS < 2
    ticks.now += KEPT_SECONDS
    assert [await number(client) for _ in range(2)] == [2, 2]


async def test_what_many_ask_is_renewed_before_it_is_old_and_nobody_waits(
    client: httpx2.AsyncClient, routes: Routes, ticks: Ticks
):
    assert await number(client) == 1
    routes.may_answer.clear()
    ticks.now += KEPT_SECONDS - RENEWED_BEFORE_SECONDS
    assert [await number(client) for _ in range(3)] == [1, 1, 1]
    await asyncio.sleep(0.01)
    assert len(routes.asked) == 2
    routes.may_answer.set()
    await asyncio.sleep(0.01)
    assert [await number(client) for _ in range(3)] == [2, 2, 2]
    ticks.now += KEPT_SECONDS - 0.01
    assert await number(client) == 2


async def test_a_feed_is_kept_longer_and_each_of_its_forms_for_itself(client: httpx2.AsyncClient, ticks: Ticks):
    feed, json = "/v1/gtfs-realtime/alerts", {"accept": "application/json"}
    assert [await number(client, feed), await number(client, feed, **json)] == [1, 2]
    ticks.now += FEED_KEPT_SECONDS - 0.01
    either = {"accept": "application/x-protobuf, application/json;q=0.5"}
    assert [await number(client, feed, **either), await number(client, feed, **json)] == [1, 2]
    assert [await number(client), await number(client, **json)] == [3, 3]
    ticks.now += 0.02
    assert await number(client, feed) > 3


@pytest.mark.parametrize("status", [503, 0])
async def test_what_cannot_be_renewed_is_told_until_it_is_old(
    client: httpx2.AsyncClient, routes: Routes, ticks: Ticks, status: int
):
    assert await number(client) == 1
    routes.status = status
    ticks.now += KEPT_SECONDS - RENEWED_BEFORE_SECONDS
    assert await number(client) == 1
    await asyncio.sleep(0.01)
    assert (await number(client), len(routes.asked)) == (1, 2)
    routes.status = 200
    ticks.now += RENEWED_BEFORE_SECONDS
    assert await number(client) == 3


async def test_what_comes_late_does_not_take_the_place_of_what_was_asked_later(
    client: httpx2.AsyncClient, routes: Routes, ticks: Ticks
):
    routes.may_answer.clear()
    late = asyncio.create_task(number(client))
    await asyncio.sleep(0.01)
    ticks.now += KEPT_SECONDS
    slow, routes.may_answer = routes.may_answer, asyncio.Event()
    routes.may_answer.set()
    assert await number(client) == 2
    slow.set()
    assert await late == 1
    assert await number(client) == 2


async def test_an_answer_says_how_old_it_may_be(client: httpx2.AsyncClient, ticks: Ticks):
    assert "age" not in (await client.get("/v1/stops")).headers
    for later, age in ((0, "0"), (0.1, "1"), (1, "2")):
        ticks.now += later
        assert (await client.get("/v1/stops")).headers["age"] == age


@pytest.mark.parametrize("path", ["/v1/stops?q=b", "/v1/stops?q=a&", "/v1/stops", "/v1/routes?q=a"])
async def test_another_question_is_another_question(client: httpx2.AsyncClient, path: str):
    assert [await number(client), await number(client, path)] == [1, 2]


@pytest.mark.parametrize(
    "path", ["/v1/departures", "/v1/departures/dep_1/availability", "/v1/stops/", "/v1/bookings", "/livez"]
)
async def test_what_is_not_public_or_must_be_fresh_is_asked_each_time(client: httpx2.AsyncClient, path: str):
    assert [await number(client, path) for _ in range(2)] == [1, 2]


async def test_what_changes_something_is_never_answered_from_before(client: httpx2.AsyncClient):
    assert [int((await client.post("/v1/stops")).headers["number"]) for _ in range(2)] == [1, 2]


async def test_those_who_ask_meanwhile_wait_for_one_answer(client: httpx2.AsyncClient, routes: Routes):
    routes.may_answer.clear()
    asking = [asyncio.create_task(number(client)) for _ in range(20)]
    other = asyncio.create_task(number(client, "/v1/stops?q=other"))
    await asyncio.sleep(0.05)
    routes.may_answer.set()
    assert (await asyncio.gather(*asking), await other) == ([1] * 20, 2)


async def test_nobody_waits_for_what_was_asked_too_long_ago(client: httpx2.AsyncClient, routes: Routes, ticks: Ticks):
    routes.may_answer.clear()
    first = asyncio.create_task(number(client))
    await asyncio.sleep(0.01)
    ticks.now += KEPT_SECONDS
    second = asyncio.create_task(number(client))
    await asyncio.sleep(0.01)
    routes.may_answer.set()
    assert await asyncio.gather(first, second) == [1, 2]
    assert await number(client) == 2


@pytest.mark.parametrize("status", [404, 422, 503, 304, 202])
async def test_what_is_no_plain_success_is_not_kept(client: httpx2.AsyncClient, routes: Routes, status: int):
    routes.status = status
    assert [await number(client) for _ in range(2)] == [1, 2]
    routes.status = 200
    assert [await number(client) for _ in range(2)] == [3, 3]


@pytest.mark.parametrize("status", [503, 0])
async def test_a_failure_is_its_own_callers_and_the_others_ask_for_themselves(
    client: httpx2.AsyncClient, routes: Routes, status: int
):
    routes.may_answer.clear()
    routes.status = status
    first = asyncio.create_task(client.get("/v1/stops"))
    await asyncio.sleep(0.01)
    routes.status = 200
    others = [asyncio.create_task(number(client, "/v1/stops")) for _ in range(3)]
    await asyncio.sleep(0.01)
    routes.may_answer.set()
    assert sorted(await asyncio.gather(*others)) == [2, 3, 4]
    if status:
        assert (await first).status_code == status
    else:
        with pytest.raises(RuntimeError, match="the route broke"):
            await first


async def test_who_goes_away_takes_no_answer_from_the_others(client: httpx2.AsyncClient, routes: Routes):
    routes.may_answer.clear()
    first = asyncio.create_task(number(client))
    await asyncio.sleep(0.01)
    gone, stays = (asyncio.create_task(number(client)) for _ in range(2))
    await asyncio.sleep(0.01)
    gone.cancel()
    await asyncio.sleep(0.01)
    first.cancel()
    await asyncio.sleep(0.01)
    routes.may_answer.set()
    assert await stays == 2
    assert await number(client) == 3


async def test_a_good_token_changes_nothing_and_a_bad_one_is_the_routes_to_refuse(client: httpx2.AsyncClient):
    assert [await number(client), await number(client, Authorization="usr_1")] == [1, 1]
    assert [await number(client, Authorization="") for _ in range(2)] == [2, 3]


async def test_an_answer_counts_for_the_route_that_gave_it(cache: PublicCache):
    scopes = [{"type": "http", "method": "GET", "path": "/v1/stops", "query_string": b"", "headers": []} for _ in "ab"]
    for scope in scopes:
        await cache(scope, Receive, ignore)
    assert [scope["route"] for scope in scopes] == ["route 1", "route 1"]


async def ignore(message: object) -> None:
    """Send to nobody."""


@pytest.mark.parametrize(("bound", "value"), [("ANSWERS_MAX", 10), ("BYTES_MAX", 10)])
async def test_only_so_much_is_kept_and_the_oldest_goes_first(
    client: httpx2.AsyncClient, cache: PublicCache, monkeypatch: pytest.MonkeyPatch, bound: str, value: int
):
    monkeypatch.setattr(public_cache, bound, value)
    for place in range(50):
        await number(client, f"/v1/stops?q={place}")
    assert (len(cache._asked), cache._bytes) == (value, value)
    assert await number(client, "/v1/stops?q=49") == 50
    assert await number(client, "/v1/stops?q=0") == 51


async def test_what_is_old_is_not_kept(client: httpx2.AsyncClient, cache: PublicCache, ticks: Ticks):
    for place in range(50):
        await number(client, f"/v1/stops?q={place}")
    ticks.now += KEPT_SECONDS
    await number(client)
    assert (len(cache._asked), cache._bytes) == (1, 1)


@pytest.fixture
async def edge(tmp_path: Path) -> AsyncIterator[Edge]:
    services = RecordingServices()
    async with (
        recording_server(services) as server,
        gateway_before(services, tmp_path, booking_address=server.address) as found,
    ):
        yield found


async def test_the_gateway_asks_a_service_once_for_all_who_ask_at_once(edge: Edge):
    edge.services.answers("ListStops", STOPS)
    replies = await asyncio.gather(*[edge.client.get("/v1/stops", params={"q": "central"}) for _ in range(20)])
    assert {(reply.status_code, reply.text) for reply in replies} == {(200, '{"items":[],"next_cursor":null}')}
    assert len({reply.headers["x-request-id"] for reply in replies}) == 20
    assert len({reply.headers["etag"] for reply in replies}) == 1
    assert len(edge.services.calls) == 1


async def test_a_kept_answer_becomes_a_304_for_who_has_it(edge: Edge):
    edge.services.answers("ListStops", STOPS)
    etag = (await edge.client.get("/v1/stops")).headers["etag"]
    reply = await edge.client.get("/v1/stops", headers={"If-None-Match": etag})
    assert (reply.status_code, reply.content, reply.headers["age"]) == (304, b"", "1")
    assert len(edge.services.calls) == 1


async def test_a_service_that_comes_back_is_asked_at_once(edge: Edge):
    edge.services.fails("ListStops", Unavailable())
    problem(await edge.client.get("/v1/stops"), 503, "dependency_down")
    edge.services.answers("ListStops", STOPS)
    assert (await edge.client.get("/v1/stops")).status_code == 200


async def test_every_path_is_an_operation_that_needs_no_token(edge: Edge):
    document = edge.app.openapi()
    assert all("security" not in document["paths"][path]["get"] for path in PATHS)
