"""The feeds in GTFS-Realtime: protobuf by default, JSON for who asks, alike for everybody."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from google.protobuf.json_format import Parse, ParseDict
from google.transit import gtfs_realtime_pb2
from headway.gtfs_realtime.v1.gtfs_realtime_pb2 import FeedMessage

from chassis.errors import Unavailable
from gateway.openapi import EXAMPLES
from tests.gateway.recording_services import Edge, gateway_and_services, in_haste, pointers
from tests.gateway.running import problem

FEEDS = {"vehicle-positions": "GetVehiclePositions", "trip-updates": "GetTripUpdates", "alerts": "GetAlerts"}
JSON = {"Accept": "application/json"}


@pytest.fixture(scope="module")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Edge]:
    async with gateway_and_services(tmp_path_factory.mktemp("gateway"), ticks=in_haste()) as edge:
        yield edge


@pytest.fixture
def edge(running: Edge) -> Edge:
    """A gateway whose feeds tell what the documentation shows."""
    running.services.forget()
    for path, rpc in FEEDS.items():
        running.services.answers(rpc, ParseDict(shown(path), FeedMessage()))
    return running


def shown(path: str) -> dict[str, Any]:
    """Return what the documentation shows of a feed."""
    return EXAMPLES["operations"][f"get_{path.replace('-', '_')}"]["answer"]


@pytest.mark.parametrize("path", FEEDS)
async def test_a_feed_is_protobuf_that_the_official_bindings_read(edge: Edge, path: str):
    reply = await edge.client.get(f"/v1/gtfs-realtime/{path}")
    assert (reply.status_code, reply.headers["content-type"]) == (200, "application/x-protobuf")
    assert (reply.headers["cache-control"], reply.headers["vary"]) == ("public, max-age=5", "Accept")
    found = gtfs_realtime_pb2.FeedMessage.FromString(reply.content)
    assert found == ParseDict(shown(path), gtfs_realtime_pb2.FeedMessage())


@pytest.mark.parametrize("path", FEEDS)
async def test_who_accepts_json_gets_what_the_documentation_shows(edge: Edge, path: str):
    reply = await edge.client.get(f"/v1/gtfs-realtime/{path}", headers=JSON)
    assert (reply.status_code, reply.headers["content-type"]) == (200, "application/json")
    documented = edge.app.openapi()["paths"][f"/v1/gtfs-realtime/{path}"]["get"]["responses"]["200"]["content"]
    assert reply.json() == documented["application/json"]["example"]
    assert Parse(reply.text, gtfs_realtime_pb2.FeedMessage()).IsInitialized()


@pytest.mark.parametrize("path", FEEDS)
async def test_a_feed_is_of_one_operator_or_of_all(edge: Edge, path: str):
    rpc = FEEDS[path]
    await edge.client.get(f"/v1/gtfs-realtime/{path}")
    assert edge.services.last(rpc).message.operator_id == ""
    await edge.client.get(f"/v1/gtfs-realtime/{path}", params={"operator_id": "coast"})
    assert edge.services.last(rpc).message.operator_id == "coast"
    reply = await edge.client.get(f"/v1/gtfs-realtime/{path}", params={"operator_id": "a b"})
    assert pointers(problem(reply, 422, "invalid_value")) == {"/operator_id"}


async def test_who_has_a_feed_already_is_told_so(edge: Edge):
    etag = (await edge.client.get("/v1/gtfs-realtime/alerts")).headers["etag"]
    reply = await edge.client.get("/v1/gtfs-realtime/alerts", headers={"If-None-Match": etag})
    assert (reply.status_code, reply.content) == (304, b"")
    reply = await edge.client.get("/v1/gtfs-realtime/alerts", headers=JSON | {"If-None-Match": etag})
    assert reply.status_code == 200


async def test_a_feed_is_asked_for_once_however_many_read_it(tmp_path):
    async with gateway_and_services(tmp_path) as edge:
        edge.services.answers("GetAlerts", ParseDict(shown("alerts"), FeedMessage()))
        replies = await asyncio.gather(*(edge.client.get("/v1/gtfs-realtime/alerts") for _ in range(20)))
        assert {reply.status_code for reply in replies} == {200}
        assert len(edge.services.calls) == 1


async def test_a_feed_that_cannot_be_had_is_a_problem_in_either_form(edge: Edge):
    edge.services.fails("GetAlerts", Unavailable())
    for headers in ({}, JSON):
        reply = await edge.client.get("/v1/gtfs-realtime/alerts", headers=headers)
        problem(reply, 503, "dependency_down")
