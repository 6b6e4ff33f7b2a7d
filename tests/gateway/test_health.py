"""The gateway says how it is."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from grpc import aio
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import aio as health_aio

from tests.gateway.running import Running, problem, running, settings_for

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


class Telling(health_aio.HealthServicer):
    """Tells beside its health what it is told to."""

    metadata: tuple[tuple[str, str], ...] = ()

    async def Check(self, request: Any, context: Any) -> Any:
        context.set_trailing_metadata(self.metadata)
        return await super().Check(request, context)


class Healthy:
    """A process that has nothing but its health to tell."""

    def __init__(self) -> None:
        self.health = Telling()
        self.server = aio.server()
        self.port = self.server.add_insecure_port("127.0.0.1:0")
        health_pb2_grpc.add_HealthServicer_to_server(self.health, self.server)

    async def __aenter__(self) -> "Healthy":
        await self.server.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.server.stop(0)


@pytest.fixture
async def services() -> AsyncIterator[dict[str, Healthy]]:
    async with Healthy() as booking, Healthy() as tracking, Healthy() as pricing:
        yield {"booking": booking, "tracking": tracking, "pricing": pricing}


@pytest.fixture
async def whole(services: dict[str, Healthy], sqlite_url: str, tmp_path: Path) -> AsyncIterator[Running]:
    addresses = {f"{name}_address": f"127.0.0.1:{one.port}" for name, one in services.items()}
    async with running(settings_for(sqlite_url, tmp_path, **addresses)) as gateway:
        yield gateway


async def test_a_process_that_answers_is_alive_whatever_else_is_down(gateway: Running):
    reply = await gateway.client.get("/livez")
    assert (reply.status_code, reply.json()) == (200, {"status": "ok"})


async def test_with_all_that_it_needs_it_is_ready(whole: Running):
    reply = await whole.client.get("/readyz")
    assert (reply.status_code, reply.json()) == (200, {"status": "ready"})


@pytest.mark.parametrize("query", ["verbose", "verbose=", "verbose=1"])
async def test_it_names_what_it_has_looked_at(whole: Running, query: str):
    checks = (await whole.client.get(f"/readyz?{query}")).json()["checks"]
    assert checks == {"database": True, "booking": True, "tracking": True, "pricing": True}


async def test_it_tells_how_far_behind_each_service_is_with_its_events(whole: Running, services: dict[str, Healthy]):
    services["booking"].health.metadata = (("waiting-outbox", "7"),)
    services["tracking"].health.metadata = (("waiting-outbox", "0"), ("waiting-departure", "12"), ("other", "x"))
    told = {"booking": {"outbox": 7}, "tracking": {"outbox": 0, "departure": 12}}
    assert (await whole.client.get("/readyz?verbose")).json()["waiting"] == {**told, "pricing": {}}
    await services["pricing"].server.stop(0)
    assert (await whole.client.get("/readyz?verbose")).json()["facts"]["waiting"] == told


@pytest.mark.parametrize("name", ["booking", "tracking", "pricing"])
async def test_it_says_which_service_is_down(whole: Running, services: dict[str, Healthy], name: str):
    await services[name].server.stop(0)
    reply = await whole.client.get("/readyz")
    assert problem(reply, 503, "dependency_down")["facts"]["down"] == [name]
    assert reply.headers["retry-after"]


async def test_a_service_that_says_it_does_not_serve_is_down(whole: Running, services: dict[str, Healthy]):
    await services["pricing"].health.set("", NOT_SERVING)
    assert problem(await whole.client.get("/readyz"), 503, "dependency_down")["facts"]["down"] == ["pricing"]
    await services["pricing"].health.set("", SERVING)
    assert (await whole.client.get("/readyz")).status_code == 200


async def test_it_says_that_its_database_is_down(whole: Running):
    def lose(work: object) -> None:
        work.connection.exec_driver_sql("DROP TABLE users")  # type: ignore[attr-defined]

    await whole.app.state.accounts.store.write(lose)
    document = problem(await whole.client.get("/readyz?verbose"), 503, "dependency_down")
    assert document["facts"]["down"] == ["database"]
    assert "users" not in document["detail"]


async def test_measurements_are_there_for_prometheus(gateway: Running):
    reply = await gateway.client.get("/metrics")
    assert reply.headers["content-type"].startswith("text/plain; version=")
    for name in (
        "headway_http_seconds",
        "headway_http_waiting",
        "headway_writer_commit_seconds",
        "process_cpu_seconds",
    ):
        assert f"# TYPE {name}" in reply.text
