"""Every answer carries its names and its headers, whatever became of the request."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from fastapi import APIRouter, Response
from fastapi.responses import RedirectResponse, StreamingResponse
from prometheus_client import CollectorRegistry, generate_latest
from starlette.types import Message, Receive, Scope, Send

from chassis import logs, trace
from gateway import edge
from tests.gateway.running import Running, bearer, problem, running, settings_for

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


async def moved() -> RedirectResponse:
    return RedirectResponse("/docs", status_code=302)


@pytest.fixture
async def probed(gateway: Running) -> Running:
    """A gateway that tells what the code of a route sees."""
    router = APIRouter()

    @router.get("/seen")
    async def seen() -> dict[str, str]:
        return {"request_id": logs.request_id.get(), "traceparent": trace.current_traceparent()}

    @router.get("/versioned")
    async def versioned(response: Response) -> dict[str, str]:
        response.headers["ETag"] = '"7"'
        return {"body": "x" * 100}

    @router.get("/unkept")
    async def unkept(response: Response) -> dict[str, str]:
        response.headers["Cache-Control"] = "private, no-store"
        return {}

    router.add_api_route("/moved", moved)

    @router.get("/streamed")
    async def streamed() -> StreamingResponse:
        async def content() -> AsyncIterator[bytes]:
            yield b"one "
            yield b"two "

        return StreamingResponse(content())

    @router.get("/breaks-late")
    async def breaks_late() -> StreamingResponse:
        async def content() -> AsyncIterator[bytes]:
            yield b"half"
            raise RuntimeError

        return StreamingResponse(content())

    gateway.app.include_router(router)
    return gateway


@pytest.mark.parametrize("given", ["abc-1", "A_b.c:9", "x" * 64])
async def test_a_request_keeps_the_name_that_its_caller_gave_it(probed: Running, given: str):
    reply = await probed.client.get("/seen", headers={"X-Request-ID": given})
    assert reply.headers["x-request-id"] == reply.json()["request_id"] == given


@pytest.mark.parametrize("given", [b"", b"x" * 65, b"a b", b"a\nb", b'"}{', b"\xe9", b"a;b"])
async def test_a_name_that_cannot_stand_in_a_log_is_replaced(probed: Running, given: bytes):
    reply = await probed.client.get("/seen", headers=[(b"x-request-id", given)])
    assert reply.headers["x-request-id"] == reply.json()["request_id"]
    assert reply.headers["x-request-id"].startswith("req_")


async def test_a_trace_is_followed(probed: Running):
    reply = await probed.client.get("/seen", headers={"traceparent": TRACE})
    assert reply.json()["traceparent"] == TRACE


@pytest.mark.parametrize("given", ["", "00-xyz", TRACE.upper(), TRACE + "-more", "99" + TRACE[2:]])
async def test_a_trace_that_is_none_is_begun(probed: Running, given: str):
    found = (await probed.client.get("/seen", headers={"traceparent": given})).json()["traceparent"]
    assert trace.WELL_FORMED.fullmatch(found)
    assert found != given


async def test_requests_at_the_same_time_keep_their_own_names(probed: Running):
    names = [f"name-{number}" for number in range(50)]
    replies = await asyncio.gather(*(probed.client.get("/seen", headers={"X-Request-ID": name}) for name in names))
    assert [reply.json()["request_id"] for reply in replies] == names


@pytest.mark.parametrize("path", ["/livez", "/nowhere", "/v1/me", "/docs", "/assets/docs/swagger-ui.css", "/v1/riders"])
async def test_every_answer_has_the_headers_that_browsers_need(shared: Running, path: str):
    headers = (await shared.client.get(path)).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["x-frame-options"] == "DENY"
    assert "default-src 'self'" in headers["content-security-policy"]
    assert "unsafe-eval" not in headers["content-security-policy"]
    assert "script-src" not in headers["content-security-policy"]
    assert headers["x-request-id"]


@pytest.mark.parametrize("tags", ['"7"', 'W/"7"', '"6", "7"', "*", '"1",W/"7" , "3"'])
async def test_what_the_caller_has_already_is_not_sent_again(probed: Running, tags: str):
    reply = await probed.client.get("/versioned", headers={"If-None-Match": tags})
    assert (reply.status_code, reply.content) == (304, b"")
    assert reply.headers["etag"] == '"7"'
    assert "content-length" not in reply.headers
    assert reply.headers["x-request-id"]


@pytest.mark.parametrize("tags", ['"6"', "7", '"77"', ""])
async def test_what_has_changed_is_sent(probed: Running, tags: str):
    reply = await probed.client.get("/versioned", headers={"If-None-Match": tags})
    assert reply.status_code == 200
    assert reply.json()["body"]


async def test_what_is_read_whole_and_has_no_tag_gets_one_of_its_body(gateway: Running):
    me = bearer((await gateway.guest())["access_token"])
    reply = await gateway.client.get("/v1/me", headers=me)
    assert reply.status_code == 200
    tag = reply.headers["etag"]
    again = await gateway.client.get("/v1/me", headers=me | {"If-None-Match": tag})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    other = bearer((await gateway.guest())["access_token"])
    reply = await gateway.client.get("/v1/me", headers=other | {"If-None-Match": tag})
    assert (reply.status_code, reply.headers["etag"] == tag) == (200, False)


async def test_what_is_streamed_not_to_be_kept_refused_or_written_gets_no_tag(probed: Running):
    for path in ("/unkept", "/streamed", "/nowhere", "/v1/me", "/moved"):
        reply = await probed.client.get(path, headers={"If-None-Match": "*"})
        assert (reply.status_code == 304, "etag" in reply.headers) == (False, False), path
    assert (await probed.client.get("/streamed")).text == "one two "
    assert "etag" not in (await probed.client.post("/v1/guests")).headers


async def test_a_stream_begins_before_its_first_part(probed: Running):
    """Nobody waits for an event to learn that the stream is there."""
    begun = []

    async def send(message: Message) -> None:
        begun.append(message["type"])
        if message["type"] == "http.response.start":
            release.set()

    async def receive() -> Message:
        await asyncio.Event().wait()
        raise AssertionError

    release = asyncio.Event()

    async def streams(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await release.wait()
        await send({"type": "http.response.body", "body": b"event"})

    scope = {"type": "http", "method": "GET", "path": "/", "headers": []}
    async with asyncio.timeout(5):
        await edge.Edge(streams, registry=CollectorRegistry())(scope, receive, send)
    assert begun == ["http.response.start", "http.response.body"]


@pytest.mark.parametrize("path", ["/versioned", "/livez", "/docs", "/assets/docs/swagger-ui.css", "/nowhere", "/v1/me"])
async def test_head_is_answered_like_get_without_the_body(probed: Running, path: str):
    wanted, reply = await probed.client.get(path), await probed.client.head(path)
    assert (reply.status_code, reply.content) == (wanted.status_code, b"")
    for name in ("content-length", "content-type", "etag", "cache-control"):
        assert reply.headers.get(name) == wanted.headers.get(name)


async def test_head_of_what_the_caller_has_already_is_unchanged(probed: Running):
    assert (await probed.client.head("/versioned", headers={"If-None-Match": '"7"'})).status_code == 304


async def test_head_of_what_cannot_be_read_is_not_served(shared: Running):
    assert (await shared.client.head("/v1/riders")).status_code == 405


async def test_a_refusal_is_never_called_unchanged(probed: Running):
    problem(await probed.client.get("/v1/me", headers={"If-None-Match": "*"}), 401, "unauthenticated")


async def test_an_answer_that_breaks_half_way_is_not_mended(probed: Running, caplog: pytest.LogCaptureFixture):
    """The connection ends, so that nobody takes half an answer for a whole one."""
    with pytest.raises(RuntimeError):
        await probed.client.get("/breaks-late")
    assert "request_failed" in caplog.text


async def test_too_many_that_wait_are_refused_at_once(gateway: Running, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(edge, "WAITING_MAX", 5)
    router = APIRouter()
    arrived, release = asyncio.Semaphore(0), asyncio.Event()

    @router.get("/waits")
    async def waits() -> str:
        arrived.release()
        await release.wait()
        return "served"

    gateway.app.include_router(router)
    waiting = [asyncio.ensure_future(gateway.client.get("/waits")) for _ in range(5)]
    for _ in waiting:
        await arrived.acquire()
    assert "headway_http_waiting 5.0" in generate_latest(gateway.app.state.registry).decode()
    reply = await gateway.client.get("/waits")
    assert problem(reply, 503, "overloaded")["retryable"] is True
    assert reply.headers["retry-after"] == "1"
    release.set()
    assert {(await one).status_code for one in waiting} == {200}
    assert (await gateway.client.get("/waits")).status_code == 200


async def test_time_is_measured_by_operation(gateway: Running):
    await gateway.client.get("/v1/departures/dep_12345")
    await gateway.client.get("/nowhere/12345")
    found = (await gateway.client.get("/metrics")).text
    assert 'headway_http_seconds_count{operation="get_departure",status="503"} 1.0' in found
    assert 'headway_http_seconds_count{operation="none",status="404"} 1.0' in found
    assert "12345" not in found


async def test_what_nobody_foresaw_is_logged_under_the_requests_name(
    gateway: Running, caplog: pytest.LogCaptureFixture
):
    router = APIRouter()

    @router.get("/bug")
    async def bug() -> None:
        raise ZeroDivisionError

    gateway.app.include_router(router)
    formatted = []
    handler = logging.Handler()
    handler.emit = lambda record: formatted.append(json.loads(logs.JsonLines().format(record)))  # type: ignore[method-assign]
    logging.getLogger("gateway.edge").addHandler(handler)
    problem(await gateway.client.get("/bug", headers={"X-Request-ID": "find-me"}), 500, "internal")
    logging.getLogger("gateway.edge").removeHandler(handler)
    (line,) = [line for line in formatted if line["event"] == "request_failed"]
    assert line["request_id"] == "find-me"
    assert "ZeroDivisionError" in line["trace"]


async def test_pages_of_other_origins_may_call_only_where_the_settings_say_so(sqlite_url: str, tmp_path: Path):
    asked = {"Origin": "https://shop.example", "Access-Control-Request-Method": "POST"}
    settings = settings_for(sqlite_url, tmp_path, cors_origins="https://shop.example, https://other.example")
    async with running(settings) as gateway:
        reply = await gateway.client.options("/v1/quotes", headers=asked)
        assert reply.status_code == 200
        assert reply.headers["access-control-allow-origin"] == "https://shop.example"
        reply = await gateway.client.get("/livez", headers={"Origin": "https://shop.example"})
        assert "ETag" in reply.headers["access-control-expose-headers"]
        reply = await gateway.client.get("/livez", headers={"Origin": "https://evil.example"})
        assert "access-control-allow-origin" not in reply.headers


async def test_no_other_origin_may_call_by_default(shared: Running):
    asked = {"Origin": "https://shop.example", "Access-Control-Request-Method": "POST"}
    reply = await shared.client.options("/v1/quotes", headers=asked)
    assert reply.status_code == 405
    assert "access-control-allow-origin" not in reply.headers
