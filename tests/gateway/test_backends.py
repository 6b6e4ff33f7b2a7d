"""The lines to the services: deadlines, cancellation, what is down, what is slow, what comes back."""

import asyncio
import gc
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.empty_pb2 import Empty
from grpc import aio
from grpc_health.v1 import health_pb2, health_pb2_grpc
from headway.booking.v1 import bookings_pb2, timetable_service_pb2
from headway.types.v1 import timetable_pb2

from chassis.access import Caller
from chassis.errors import Overloaded, Unavailable
from gateway.backends import Backends
from gateway.caller import Call, anonymous_call
from tests.gateway.recording_services import (
    LEG,
    Edge,
    RecordingServices,
    at,
    gateway_and_services,
    gateway_before,
    recording_server,
)
from tests.gateway.running import NOBODY, problem

DEPARTURE = timetable_pb2.Departure(
    id="dep_1", route=LEG.route, service_date="2030-06-01", state=1, starts_at=at(2030, 6, 1), version=7
)
BOOKING = bookings_pb2.Booking(
    id="bkg_1", state=1, payment=bookings_pb2.Payment(state=1), created_at=at(2030, 6, 1), version=2
)
BOOKING.total.currency = "EUR"
PATHS = pytest.mark.parametrize(
    ("path", "rpc"), [("/v1/departures/dep_1", "GetDeparture"), ("/v1/departures", "ListDepartures")]
)


@pytest.fixture(scope="module")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Edge]:
    async with gateway_and_services(tmp_path_factory.mktemp("gateway")) as edge:
        yield edge


@pytest.fixture
def edge(running: Edge) -> Edge:
    running.services.forget()
    return running


@contextmanager
def patience(edge: Edge, seconds: float) -> Iterator[None]:
    """Let anonymous calls wait for this long only."""
    edge.app.dependency_overrides[anonymous_call] = lambda: Call(Caller(), (), timeout=seconds)
    try:
        yield
    finally:
        edge.app.dependency_overrides.clear()


async def until(is_so: Callable[[], Awaitable[bool]], *, seconds: float = 5.0) -> None:
    deadline = time.monotonic() + seconds
    while not await is_so():
        assert time.monotonic() < deadline, "it did not come about in time"
        await asyncio.sleep(0.02)


@pytest.mark.parametrize("path", ["/v1/departures/dep_1", "/v1/departures"])
async def test_a_slow_service_is_a_504_when_the_deadline_has_come(edge: Edge, path: str):
    cancelled = edge.services.hangs("GetDeparture", "ListDepartures")
    with patience(edge, 0.3):
        began = time.monotonic()
        reply = await edge.client.get(path)
    assert problem(reply, 504, "deadline_exceeded")["retryable"] is True
    assert 0.25 <= time.monotonic() - began < 2.0
    await asyncio.wait_for(cancelled.wait(), 2)


async def test_a_service_is_told_how_long_its_caller_waits(edge: Edge):
    edge.services.answers("GetDeparture", DEPARTURE)
    await edge.client.get("/v1/departures/dep_1")
    assert 4.0 < edge.services.last("GetDeparture").seconds_left < 5.5


async def test_a_service_that_is_down_is_a_503_that_says_when_to_come_back(tmp_path: Path):
    async with gateway_before(RecordingServices(), tmp_path) as edge:
        for path in ("/v1/departures/dep_1", "/v1/departures"):
            reply = await edge.client.get(path)
            assert problem(reply, 503, "dependency_down")["retryable"] is True
            assert reply.headers["retry-after"] == "1"


async def test_a_service_that_comes_back_is_found_again(tmp_path: Path):
    services = RecordingServices()
    services.answers("GetDeparture", DEPARTURE)
    async with recording_server(services) as server:
        address = server.address
        async with gateway_before(services, tmp_path, booking_address=address) as edge:
            assert (await edge.client.get("/v1/departures/dep_1")).status_code == 200
            await server.server.stop(0)
            problem(await edge.client.get("/v1/departures/dep_1"), 503, "dependency_down")
            async with recording_server(services, port=int(address.rpartition(":")[2])):
                await until(lambda: answers_200(edge))


async def answers_200(edge: Edge) -> bool:
    return (await edge.client.get("/v1/departures/dep_1")).status_code == 200


async def test_one_service_that_is_down_leaves_the_others_alone(tmp_path: Path):
    services = RecordingServices()
    services.answers("GetDeparture", DEPARTURE)
    async with (
        recording_server(services) as server,
        gateway_before(services, tmp_path, booking_address=server.address) as edge,
    ):
        assert (await edge.client.get("/v1/departures/dep_1")).status_code == 200
        legs = [{"departure_id": "a", "origin_stop_id": "b", "destination_stop_id": "c"}]
        body = {"legs": legs, "passengers": [{"category": "adult"}]}
        problem(await edge.client.post("/v1/quotes", json=body), 503, "dependency_down")


async def test_a_call_that_its_service_could_not_take_is_made_again_with_the_same_key(edge: Edge):
    edge.services.fails("ReleaseBooking", Unavailable(), BOOKING)
    reply = await edge.client.post("/v1/bookings/bkg_1/release", headers=edge.signed_in("bookings", key="k1"))
    assert reply.status_code == 200
    keys = [call.metadata["idempotency-key"] for call in edge.services.calls]
    assert keys == ["k1", "k1"]


async def test_a_service_that_stays_overloaded_is_a_503_with_its_own_code(edge: Edge):
    edge.services.fails("GetDeparture", Overloaded())
    reply = await edge.client.get("/v1/departures/dep_1")
    problem(reply, 503, "overloaded")
    assert reply.headers["retry-after"] == "1"


@PATHS
async def test_what_nobody_waits_for_any_more_is_cancelled(edge: Edge, path: str, rpc: str):
    cancelled = edge.services.hangs(rpc)
    leaving = asyncio.Event()
    request = asyncio.create_task(edge.app(scope_of(path), client_that_goes(leaving), ignore))
    await until(lambda: was_asked(edge))
    leaving.set()
    await asyncio.wait_for(cancelled.wait(), 2)
    await asyncio.wait_for(request, 2)


@PATHS
async def test_what_is_abandoned_inside_the_gateway_is_cancelled_too(edge: Edge, path: str, rpc: str):
    cancelled = edge.services.hangs(rpc)
    request = asyncio.create_task(edge.client.get(path))
    await until(lambda: was_asked(edge))
    request.cancel()
    await asyncio.wait_for(cancelled.wait(), 2)
    with pytest.raises(asyncio.CancelledError):
        await request


async def was_asked(edge: Edge) -> bool:
    return bool(edge.services.calls)


def scope_of(path: str) -> dict[str, Any]:
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [(b"host", b"gateway")],
        "client": ("127.0.0.1", 1),
        "server": ("gateway", 80),
        "root_path": "",
    }


def client_that_goes(leaving: asyncio.Event) -> Callable[[], Awaitable[dict[str, Any]]]:
    messages = iter([{"type": "http.request", "body": b"", "more_body": False}])

    async def receive() -> dict[str, Any]:
        if (message := next(messages, None)) is not None:
            return message
        await leaving.wait()
        return {"type": "http.disconnect"}

    return receive


async def ignore(message: object) -> None:
    """Send to nobody."""


async def test_answered_requests_of_clients_that_stay_leave_no_task_behind(edge: Edge):
    edge.services.answers("GetDeparture", DEPARTURE)
    before = len(asyncio.all_tasks())
    for _ in range(20):
        await edge.app(scope_of("/v1/departures/dep_1"), client_that_goes(asyncio.Event()), ignore)
    await until(lambda: are_at_most(before + 5))


async def test_a_body_that_nobody_asked_for_disturbs_nothing(edge: Edge):
    edge.services.answers("GetDeparture", DEPARTURE)
    troubles: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, trouble: troubles.append(trouble))
    sent: list[dict[str, Any]] = []
    chunks = [{"type": "http.request", "body": b"x" * 2**19, "more_body": True}] * 2

    async def receive() -> dict[str, Any]:
        return chunks.pop() if chunks else await asyncio.Event().wait()

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await edge.app(scope_of("/v1/departures/dep_1"), receive, send)
    await asyncio.sleep(0)
    gc.collect()
    asyncio.get_running_loop().set_exception_handler(None)
    assert (sent[0]["status"], troubles) == (200, [])


async def are_at_most(tasks: int) -> bool:
    return len(asyncio.all_tasks()) <= tasks


async def test_a_stream_that_breaks_is_a_failure_and_not_a_shorter_list(edge: Edge):
    listed = timetable_service_pb2.ListDeparturesResponse(departure=DEPARTURE, cursor="c")
    edge.services.answers("ListDepartures", [listed, Empty()])
    reply = await edge.client.get("/v1/departures")
    problem(reply, 500, "internal")


async def serving(backends: Backends) -> dict[str, bool]:
    return {name: health.is_serving for name, health in (await backends.health()).items()}


async def test_services_are_ready_when_they_say_so():
    async with (
        recording_server(RecordingServices()) as booking,
        recording_server(RecordingServices()) as tracking,
    ):
        await tracking.reports(health_pb2.HealthCheckResponse.NOT_SERVING)
        backends = Backends.open(booking.address, tracking.address, NOBODY)
        assert await serving(backends) == {"booking": True, "tracking": False, "pricing": False}
        await tracking.reports(health_pb2.HealthCheckResponse.SERVING)
        assert await serving(backends) == {"booking": True, "tracking": True, "pricing": False}
        await backends.close()


class SilentHealth(health_pb2_grpc.HealthServicer):
    async def Check(self, request: health_pb2.HealthCheckRequest, context: aio.ServicerContext) -> None:
        await asyncio.Event().wait()


async def test_a_service_that_does_not_answer_is_not_ready_after_a_second():
    silent = aio.server()
    health_pb2_grpc.add_HealthServicer_to_server(SilentHealth(), silent)
    address = f"127.0.0.1:{silent.add_insecure_port('127.0.0.1:0')}"
    await silent.start()
    backends = Backends.open(address, address, address)
    began = time.monotonic()
    assert not any((await serving(backends)).values())
    assert 0.9 < time.monotonic() - began < 2.5
    await backends.close()
    await silent.stop(0)
