"""TrackingService on its socket: who gets in, what is understood, how it refuses. With real tokens."""

import asyncio
import math
from dataclasses import replace
from datetime import timedelta
from threading import Event

import pytest
from grpc import StatusCode, aio
from headway.tracking.v1 import tracking_service_pb2

from chassis.access import Caller
from chassis.keys import Signer, open_signer
from chassis.rpc_client import ServiceIdentity
from chassis.rpc_errors import failure_of
from tests.clocks import FixedClock
from tests.tracking_svc.fleet import (
    ADMIN,
    COACH,
    FERRY,
    FERRY_DEVICE,
    LAND_STAFF,
    SEA_STAFF,
    Tracking,
    bearer,
    history,
    position,
    until,
    way,
    wire,
)
from tests.tracking_svc.wires import SERVICE, refusal_of
from tracking_svc.servicers.access import RULES
from tracking_svc.settings import TrackingSettings

GetVehicle = tracking_service_pb2.GetVehicleRequest
REPORTING = ["ReportPositions", "StreamPositions"]
GARBAGE = [b"\xff\xff\xff", b"\x0a\x05abc", b"\x0a\x02\xff\xfe", b"\x1a\x03\x21\x00\x00", b"\x80" * 11]


async def report_by(tracking: Tracking, method: str, batch: object, metadata: object) -> object:
    """Report a batch through either door."""
    if method == "ReportPositions":
        return await tracking.stub.ReportPositions(batch, metadata=metadata, timeout=20)
    call = tracking.stub.StreamPositions(metadata=metadata, timeout=20)
    await call.write(batch)
    await call.done_writing()
    async for ack in call:
        return ack
    raise AssertionError("The stream ended without an answer.")


async def knock(tracking: Tracking, method: str, request: object, metadata: object) -> object:
    """Ask, over a stream without a word: a refusal that meets a write is told as INTERNAL by grpc.aio."""
    if method == "StreamPositions":
        return await tracking.stub.StreamPositions(metadata=metadata, timeout=20).read()
    return await getattr(tracking.stub, method)(request, metadata=metadata, timeout=20)


@pytest.mark.parametrize("method", REPORTING)
async def test_points_are_durable_when_they_are_answered(tracking: Tracking, clock: FixedClock, method: str):
    sent = way(clock.now() - timedelta(seconds=9), [1, 2, 3])
    sent[1] = replace(sent[1], speed_meters_per_second=0.0, heading_degrees=0.0, accuracy_meters=0.0)
    ack = await report_by(tracking, method, wire(sent), tracking.metadata())
    assert (ack.accepted, list(ack.rejected), ack.acknowledged_sequence) == (3, [], 3)
    assert history(tracking.store) == sent


@pytest.mark.parametrize("method", REPORTING)
async def test_bad_points_are_named_and_the_rest_is_kept(tracking: Tracking, clock: FixedClock, method: str):
    at = clock.now()
    sent = [
        position(1, at - timedelta(seconds=2)),
        position(2, at, latitude=math.nan),
        position(3, at, longitude=math.inf),
        position(4, at, longitude=-181.0),
        position(5, at - timedelta(seconds=1), speed_meters_per_second=math.nan, heading_degrees=-1.0),
    ]
    batch = wire(sent)
    batch.positions.add(sequence=6, latitude=10, longitude=20)
    batch.positions.add(sequence=7, latitude=10, longitude=20).recorded_at.seconds = 2**62
    ack = await report_by(tracking, method, batch, tracking.metadata())
    assert [(rejected.index, rejected.reason) for rejected in ack.rejected] == [
        (1, "not_finite"), (2, "not_finite"), (3, "out_of_range"), (5, "too_old"), (6, "in_the_future"),
    ]  # fmt: skip
    assert (ack.accepted, ack.acknowledged_sequence) == (2, 7)
    assert history(tracking.store) == [
        sent[0], replace(sent[4], speed_meters_per_second=None, heading_degrees=None)
    ]  # fmt: skip


@pytest.mark.parametrize("method", REPORTING)
@pytest.mark.parametrize(
    ("caller", "vehicle"),
    [(FERRY_DEVICE, COACH.id), (LAND_STAFF, FERRY.id), (ADMIN, "veh_unknown"), (ADMIN, "veh_\u00e9\u4e2d")],
    ids=["device", "staff", "unknown", "not ASCII"],
)
async def test_a_foreign_vehicle_is_not_found(
    tracking: Tracking, clock: FixedClock, method: str, caller: Caller, vehicle: str
):
    sent = wire(way(clock.now(), [1]), vehicle=vehicle)
    refusal = await refusal_of(report_by(tracking, method, sent, tracking.metadata(caller)))
    assert refusal == (StatusCode.NOT_FOUND, "NOT_FOUND")


@pytest.mark.parametrize("method", REPORTING)
async def test_reporting_needs_its_scope_and_a_token(tracking: Tracking, clock: FixedClock, method: str):
    sent = wire(way(clock.now(), [1]))
    reader = tracking.metadata(replace(SEA_STAFF, scopes=frozenset({"fleet:read"})))
    assert await refusal_of(knock(tracking, method, sent, reader)) == (StatusCode.PERMISSION_DENIED, "FORBIDDEN")
    for nobody in ((), (("authorization", "Bearer x"),), (("authorization", "Basic eDp5"),)):
        refusal = await refusal_of(knock(tracking, method, sent, nobody))
        assert refusal == (StatusCode.UNAUTHENTICATED, "UNAUTHENTICATED")
    assert history(tracking.store) == []


@pytest.mark.parametrize("method", [*REPORTING, "GetVehicle"])
async def test_a_token_of_an_untrusted_or_another_signer_is_nobodys(
    tracking: Tracking, clock: FixedClock, method: str, tmp_path, keys_dir
):
    for signer in (open_signer("gateway", tmp_path / "elsewhere"), open_signer("booking", keys_dir)):
        metadata = bearer(signer, ADMIN, now=clock.now())
        request = GetVehicle(vehicle_id=FERRY.id) if method == "GetVehicle" else wire(way(clock.now(), [1]))
        refusal = await refusal_of(knock(tracking, method, request, metadata))
        assert refusal == (StatusCode.UNAUTHENTICATED, "UNAUTHENTICATED")


@pytest.mark.parametrize("method", REPORTING)
@pytest.mark.parametrize(
    ("batch", "pointer"),
    [
        ({"vehicle_id": FERRY.id}, "/positions"),
        ({"vehicle_id": "", "positions": [{}]}, "/vehicle_id"),
        ({"vehicle_id": FERRY.id, "session_id": "s" * 65, "positions": [{}]}, "/session_id"),
        ({"vehicle_id": FERRY.id, "session_id": "\0", "positions": [{}]}, "/session_id"),
        ({"vehicle_id": FERRY.id, "positions": [{}] * 501}, "/positions"),
    ],
)
async def test_what_is_no_batch_is_refused_and_says_where(
    tracking: Tracking, method: str, batch: dict[str, object], pointer: str
):
    with pytest.raises(aio.AioRpcError) as raised:
        await report_by(tracking, method, tracking_service_pb2.PositionBatch(**batch), tracking.metadata())
    assert raised.value.code() is StatusCode.INVALID_ARGUMENT
    failure = failure_of(raised.value)
    assert (failure.reason, [error.pointer for error in failure.errors]) == ("INVALID_VALUE", [pointer])


@pytest.mark.parametrize("garbage", GARBAGE)
async def test_bytes_that_are_no_message_are_the_callers_mistake(tracking: Tracking, garbage: bytes):
    unary = tracking.channel.unary_unary(f"{SERVICE}/ReportPositions")
    malformed = (StatusCode.INVALID_ARGUMENT, "MALFORMED_BODY")
    assert await refusal_of(unary(garbage, metadata=tracking.metadata(), timeout=20)) == malformed
    stream = tracking.channel.stream_stream(f"{SERVICE}/StreamPositions")(metadata=tracking.metadata(), timeout=20)
    await stream.write(garbage)
    assert await refusal_of(stream.read()) == malformed


async def test_bytes_that_are_no_message_end_the_stream_and_keep_what_was_acknowledged(
    tracking: Tracking, clock: FixedClock
):
    sent = way(clock.now() - timedelta(seconds=9), [1, 2])
    stream = tracking.channel.stream_stream(f"{SERVICE}/StreamPositions")(metadata=tracking.metadata(), timeout=20)
    await stream.write(wire(sent).SerializeToString())
    await stream.read()
    await stream.write(GARBAGE[0])
    assert await refusal_of(stream.read()) == (StatusCode.INVALID_ARGUMENT, "MALFORMED_BODY")
    assert history(tracking.store) == sent
    await until(lambda: tracking.service.server._edge.in_flight == 0)


async def test_every_method_has_its_rule_and_only_reading_is_for_services_and_the_public():
    assert {name for name, rule in RULES.items() if rule.is_for_services} == {
        f"{SERVICE}/{name}" for name in ("GetVehicle", "WatchDeparture", "WatchVehicles")
    }
    feeds = ("GetVehiclePositions", "GetTripUpdates", "GetAlerts")
    public = {f"{SERVICE}/{name}" for name in ("GetDelays", "GetLiveDeparture", *feeds)}
    assert {name for name, rule in RULES.items() if rule.is_public} == public


async def test_a_service_may_not_report(tracking: Tracking, clock: FixedClock, keys_dir):
    booking = ServiceIdentity(open_signer("booking", keys_dir), now=clock.now)
    refusal = await refusal_of(
        tracking.stub.ReportPositions(wire(way(clock.now(), [1])), metadata=booking.metadata(), timeout=20)
    )
    assert refusal == (StatusCode.UNAUTHENTICATED, "UNAUTHENTICATED")


async def test_reports_that_wait_together_share_a_commit(tracking: Tracking, clock: FixedClock):
    def measured(sample: str, **labels: str) -> float:
        return tracking.registry.get_sample_value(f"headway_writer_{sample}", labels) or 0.0

    is_let_go = Event()
    held = asyncio.ensure_future(tracking.store.write(lambda _: is_let_go.wait(20)))
    sent = way(clock.now() - timedelta(minutes=9), range(1, 201))
    reports = asyncio.gather(
        *(
            tracking.stub.ReportPositions(wire([point], session=""), metadata=tracking.metadata(ADMIN), timeout=20)
            for point in sent
        )
    )
    await until(lambda: measured("waiting_calls") >= 200)
    is_let_go.set()
    assert [ack.accepted for ack in await reports] == [1] * 200
    assert await held
    assert history(tracking.store) == sent
    assert measured("group_calls_bucket", le="256.0") - measured("group_calls_bucket", le="128.0") == 1


def test_settings_are_named_in_every_complaint(gateway: Signer):
    with pytest.raises(SystemExit, match="TRACKING_DATABASE_URL"):
        TrackingSettings.from_environment({"TRACKING_GRPC_PORT": "1", "HEADWAY_NATS_URL": "nats://x"})
