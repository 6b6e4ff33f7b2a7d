"""A vehicle's device gets a token for that vehicle and nothing else."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from headway.tracking.v1 import positions_pb2, tracking_service_pb2, tracking_service_pb2_grpc

from chassis.access import Access, caller_of
from chassis.clock import Clock
from chassis.errors import NotFound
from chassis.keys import USER_TOKEN, Verifier
from chassis.rpc_server import Edge, RpcServer, current_caller
from tests.clocks import FixedClock
from tests.gateway.records import audited
from tests.gateway.running import Running, bearer, problem, running, settings_for

SERVICE = tracking_service_pb2.DESCRIPTOR.services_by_name["TrackingService"]
RULE = Access(frozenset({"fleet:read"}), is_for_services=True)
FLEET = {"veh_1": "demo", "veh_2": "other"}


class Fleet(tracking_service_pb2_grpc.TrackingServiceServicer):
    """A tracking service that knows two vehicles, behind the edge that the real one has."""

    async def GetVehicle(self, request: Any, context: Any) -> positions_pb2.TrackedVehicle:
        return self.answer(request.vehicle_id)

    @staticmethod
    def answer(vehicle_id: str) -> positions_pb2.TrackedVehicle:
        operator_id = FLEET.get(vehicle_id, "")
        if not current_caller().works_for(operator_id):
            raise NotFound
        return positions_pb2.TrackedVehicle(id=vehicle_id, operator_id=operator_id, label="Bus")


@pytest.fixture
async def tracked(database_url: str, tmp_path: Path) -> AsyncIterator[Running]:
    """A gateway with a tracking service that tells the same time."""
    clock: Clock = FixedClock()
    settings = settings_for(database_url, tmp_path)
    (tmp_path / "keys" / "trusted").mkdir(parents=True)
    methods = {f"/{SERVICE.full_name}/{method.name}": RULE for method in SERVICE.methods}
    server = RpcServer(Edge(methods, Verifier(tmp_path / "keys" / "trusted"), clock), host="127.0.0.1", port=0)
    server.add(tracking_service_pb2_grpc.add_TrackingServiceServicer_to_server, Fleet(), SERVICE)
    await server.start()
    address = f"127.0.0.1:{server.port}"
    changed = settings.model_copy(update={"tracking_address": address, "public_grpc_address": "track.example:443"})
    async with running(changed, clock) as gateway:
        yield gateway
    await server.stop(0)


async def boss_of(gateway: Running, operator_id: str) -> dict[str, str]:
    email = f"boss@{operator_id}.example"
    body = {"email": email, "password": "correct horse", "role": "operator", "operator_id": operator_id}
    reply = await gateway.client.post("/v1/users", json=body, headers=await gateway.admin())
    assert reply.status_code == 201, reply.text
    return await gateway.user(email, "correct horse")


async def ask(gateway: Running, vehicle_id: str, headers: dict[str, str]) -> Any:
    return await gateway.client.post(f"/v1/vehicles/{vehicle_id}/device-tokens", headers=headers)


async def test_a_device_gets_a_token_for_thirty_days(tracked: Running):
    reply = await ask(tracked, "veh_1", await boss_of(tracked, "demo"))
    assert reply.status_code == 201, reply.text
    assert reply.headers["cache-control"] == "no-store"
    issued = reply.json()
    assert issued["expires_at"] == "2030-02-01T03:04:05.678901Z"
    assert issued["grpc_address"] == "track.example:443"
    now = tracked.app.state.clock.now()
    caller = caller_of(tracked.app.state.verifier.check(issued["token"], USER_TOKEN, now=now))
    assert caller.subject.startswith("dev_")
    assert (caller.scopes, caller.operator_id, caller.vehicle_id) == ({"positions:write"}, "demo", "veh_1")


async def test_a_device_learns_what_it_is_and_may_nothing_else(tracked: Running):
    headers = bearer((await ask(tracked, "veh_1", await boss_of(tracked, "demo"))).json()["token"])
    me = (await tracked.client.get("/v1/me", headers=headers)).json()
    assert (me["vehicle_id"], me["role"], me["scopes"]) == ("veh_1", None, ["positions:write"])
    problem(await ask(tracked, "veh_1", headers), 403, "forbidden")
    problem(await tracked.client.get("/v1/vehicles/veh_1", headers=headers), 403, "forbidden")
    problem(await tracked.client.get("/v1/bookings", headers=headers), 403, "forbidden")


async def test_who_got_a_token_for_which_vehicle_is_written_down(tracked: Running):
    headers = await boss_of(tracked, "demo")
    maker = (await tracked.client.get("/v1/me", headers=headers)).json()["id"]
    token = (await ask(tracked, "veh_1", headers)).json()["token"]
    device = (await tracked.client.get("/v1/me", headers=bearer(token))).json()["id"]
    assert ("device_token_issued", "veh_1", maker, device) in await audited(tracked)


@pytest.mark.parametrize("vehicle_id", ["veh_2", "veh_3"])
async def test_a_foreign_vehicle_and_none_are_answered_alike(tracked: Running, vehicle_id: str):
    document = problem(await ask(tracked, vehicle_id, await boss_of(tracked, "demo")), 404, "not_found")
    assert document["detail"] == NotFound.detail
    assert document["facts"] == {}


async def test_the_gateway_itself_refuses_a_foreign_vehicle(tracked: Running, monkeypatch: pytest.MonkeyPatch):
    """Even if the service told of it: what is signed here is checked here."""
    headers = await boss_of(tracked, "demo")

    def careless(vehicle_id: str) -> positions_pb2.TrackedVehicle:
        return positions_pb2.TrackedVehicle(id=vehicle_id, operator_id="other")

    monkeypatch.setattr(Fleet, "answer", staticmethod(careless))
    problem(await ask(tracked, "veh_1", headers), 404, "not_found")


async def test_the_administration_serves_every_operator(tracked: Running):
    admin = await tracked.admin()
    replies = await asyncio.gather(*(ask(tracked, vehicle_id, admin) for vehicle_id in FLEET))
    assert [reply.status_code for reply in replies] == [201, 201]


async def test_without_the_tracking_service_no_token_is_issued(gateway: Running):
    problem(await ask(gateway, "veh_1", await gateway.admin()), 503, "dependency_down")
    assert "device_token_issued" not in {entry[0] for entry in await audited(gateway)}
