"""Health, reflection and the stop of a gRPC server."""

import asyncio
import time

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from headway.tracking.v1.tracking_service_pb2 import PositionBatch
from prometheus_client import Gauge

from chassis.errors import Unavailable
from tests.chassis.postal import until
from tests.chassis.serving import echo, refusal, serving

ABANDONED = 1_000


@pytest.fixture
async def served(tmp_path):
    async with serving(tmp_path) as running:
        yield running


def does(served, method):
    """Let GetVehicle do something and then answer."""

    async def get_vehicle(request, context):
        method(request, context)
        return await echo(request, context)

    served.does.get_vehicle = get_vehicle


def raising(error):
    def fail(_request, _context):
        raise error

    return fail


async def test_health_says_serving_and_then_not_serving_while_it_stops(tmp_path):
    release = asyncio.Event()

    async def slow(request, context):
        await release.wait()
        return await echo(request, context)

    async with serving(tmp_path) as served:
        served.does.get_vehicle = slow
        watch = health_pb2_grpc.HealthStub(served.channel).Watch
        for name in ("", "headway.tracking.v1.TrackingService", "headway.booking.v1.TimetableService"):
            check = health_pb2_grpc.HealthStub(served.channel).Check
            assert (await check(health_pb2.HealthCheckRequest(service=name))).status == 1
        watched = watch(health_pb2.HealthCheckRequest(service="headway.tracking.v1.TrackingService"))
        assert (await watched.read()).status == health_pb2.HealthCheckResponse.SERVING
        waiting = asyncio.ensure_future(served.get_vehicle())
        await until(lambda: served.edge.in_flight == 1)
        stopping = asyncio.ensure_future(served.server.stop(5))
        assert (await watched.read()).status == health_pb2.HealthCheckResponse.NOT_SERVING
        watched.cancel()
        release.set()
        assert (await waiting).id == "veh_1"
        await asyncio.wait_for(stopping, 2)


async def test_health_tells_how_many_events_wait(served):
    for name, count in (("headway_outbox_waiting_rows", 3), ("headway_consumer_departure_pending_messages", 12)):
        Gauge(name, "Events", registry=served.registry).set(count)
    checking = health_pb2_grpc.HealthStub(served.channel).Check(health_pb2.HealthCheckRequest())
    assert (await checking).status == health_pb2.HealthCheckResponse.SERVING
    told = dict(await checking.trailing_metadata())
    assert {name: told[name] for name in told if "waiting" in name} == {
        "waiting-outbox": "3", "waiting-departure": "12"}  # fmt: skip


async def test_open_streams_end_with_what_they_have_taken_when_it_stops(tmp_path):
    async with serving(tmp_path) as served:
        streams = [served.vehicles.StreamPositions() for _ in range(20)]
        for stream in streams:
            await stream.write(PositionBatch())
            await stream.read()
        began = time.monotonic()
        await served.server.stop(10)
        assert time.monotonic() - began < 2
        assert [await stream.code() for stream in streams] == [grpc.StatusCode.OK] * 20
        assert served.edge.in_flight == 0


async def test_calls_that_do_not_end_are_cut_after_the_grace(tmp_path):
    async with serving(tmp_path) as served:
        served.does.get_vehicle = lambda *_: asyncio.sleep(60)
        call = asyncio.ensure_future(refusal(served.get_vehicle()))
        await until(lambda: served.edge.in_flight == 1)
        await asyncio.wait_for(served.server.stop(0.2), 2)
        assert (await call).reason == Unavailable.reason
        await until(lambda: served.edge.in_flight == 0)


async def test_reflection_lists_what_is_served(served):
    ask = reflection_pb2_grpc.ServerReflectionStub(served.channel).ServerReflectionInfo
    call = ask(iter([reflection_pb2.ServerReflectionRequest(list_services="")]))
    names = {service.name for service in (await call.read()).list_services_response.service}
    assert names >= {"headway.tracking.v1.TrackingService", "headway.booking.v1.TimetableService"}
    assert "grpc.health.v1.Health" in names
    call.cancel()
