"""A device's stream: one acknowledgement a batch after its commit, cut and taken up again without loss."""

import asyncio
import gc
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from random import Random

import pytest
from grpc import StatusCode, aio

from chassis.errors import InvalidInput
from tests.clocks import FixedClock
from tests.tracking_svc.fleet import (
    ADMIN,
    COACH,
    FERRY,
    FLEET,
    Tracking,
    history,
    newest,
    position,
    until,
    way,
    wire,
)
from tests.tracking_svc.wires import Driver, PositionBatch, exchange, next_ack, refusal_of, stub_at
from tracking_svc.domain.points import Points
from tracking_svc.domain.reports import Batch, Report
from tracking_svc.flows.stream_positions import stream_positions

CUTS = 200


async def rest_of(call: object) -> tuple[StatusCode, str]:
    return await refusal_of(next_ack(call))


async def test_later_batches_need_not_name_the_vehicle_nor_the_session(tracking: Tracking, clock: FixedClock):
    sent = way(clock.now() - timedelta(minutes=1), range(1, 7))
    call = tracking.stub.StreamPositions(metadata=tracking.metadata(), timeout=20)
    assert (await exchange(call, wire(sent[:2]))).acknowledged_sequence == 2
    assert (await exchange(call, wire(sent[2:4], vehicle="", session=""))).acknowledged_sequence == 4
    assert (await exchange(call, wire(sent[4:6]))).acknowledged_sequence == 6
    await call.done_writing()
    assert await call.read() is aio.EOF
    assert await call.code() is StatusCode.OK
    assert history(tracking.store) == sent


async def test_a_new_session_may_begin_in_a_stream(tracking: Tracking, clock: FixedClock):
    first, second, third = way(clock.now() - timedelta(minutes=1), [1, 2, 3])
    call = tracking.stub.StreamPositions(metadata=tracking.metadata(), timeout=20)
    await exchange(call, wire([first]))
    await exchange(call, wire([replace(second, sequence=1)], session="s2"))
    ack = await exchange(call, wire([replace(third, sequence=2)], session=""))
    assert (ack.accepted, ack.acknowledged_sequence) == (1, 2)
    call.cancel()


@pytest.mark.parametrize("vehicle", [COACH.id, "veh_unknown"])
async def test_another_vehicle_ends_the_stream_whoever_asks(tracking: Tracking, clock: FixedClock, vehicle: str):
    sent = way(clock.now() - timedelta(minutes=1), [1, 2])
    call = tracking.stub.StreamPositions(metadata=tracking.metadata(ADMIN), timeout=20)
    await exchange(call, wire(sent[:1]))
    await call.write(wire(sent[1:], vehicle=vehicle))
    with pytest.raises(aio.AioRpcError) as raised:
        await asyncio.wait_for(call.read(), 20)
    assert raised.value.code() is StatusCode.INVALID_ARGUMENT
    assert history(tracking.store) == sent[:1]


async def test_a_first_batch_that_names_no_vehicle_ends_the_stream(tracking: Tracking, clock: FixedClock):
    call = tracking.stub.StreamPositions(metadata=tracking.metadata(), timeout=20)
    await call.write(wire(way(clock.now(), [1]), vehicle=""))
    assert await refusal_of(call.read()) == (StatusCode.INVALID_ARGUMENT, "INVALID_VALUE")


async def test_a_bad_point_never_ends_the_stream(tracking: Tracking, clock: FixedClock):
    call = tracking.stub.StreamPositions(metadata=tracking.metadata(), timeout=20)
    for number in range(1, 6):
        ack = await exchange(call, wire([position(number, clock.now(), latitude=float("nan"))]))
        assert [rejected.reason for rejected in ack.rejected] == ["not_finite"]
    assert (await exchange(call, wire([position(6, clock.now())]))).accepted == 1
    call.cancel()


async def test_a_token_that_expires_ends_the_stream_at_the_next_batch(tracking: Tracking, clock: FixedClock):
    sent = way(clock.now() - timedelta(minutes=1), [1, 2, 3])
    call = tracking.stub.StreamPositions(metadata=tracking.metadata(seconds=60), timeout=20)
    await exchange(call, wire(sent[:1]))
    clock.advance(59)
    await exchange(call, wire(sent[1:2]))
    clock.advance(1)
    await call.write(wire(sent[2:]))
    assert await refusal_of(call.read()) == (StatusCode.UNAUTHENTICATED, "UNAUTHENTICATED")
    assert history(tracking.store) == sent[:2]


async def test_a_key_that_is_no_longer_trusted_ends_the_stream_at_the_next_batch(
    tracking: Tracking, clock: FixedClock, keys_dir
):
    sent = way(clock.now() - timedelta(minutes=1), [1, 2])
    call = tracking.stub.StreamPositions(metadata=tracking.metadata(), timeout=20)
    await exchange(call, wire(sent[:1]))
    (keys_dir / "trusted" / "gateway.json").unlink()
    await call.write(wire(sent[1:]))
    assert await refusal_of(call.read()) == (StatusCode.UNAUTHENTICATED, "UNAUTHENTICATED")


async def test_a_stream_cut_two_hundred_times_loses_and_doubles_nothing(tracking: Tracking, clock: FixedClock):
    """Cut by the device or with its whole connection, with batches and answers under way."""
    random = Random(20300102)
    sent = way(clock.now() - timedelta(hours=4), range(1, 12_001))
    driver = Driver(sent, random)
    for _ in range(CUTS):
        async with stub_at(tracking.address) as stub:
            await driver.drive(stub, tracking.metadata(), cut_after=random.randint(0, 3))
        assert not driver.is_done, "every cut must hit a stream that is at work"
        stored = [point.sequence for point in history(tracking.store)]
        assert stored[: driver.acknowledged] == list(range(1, driver.acknowledged + 1)), "acknowledged is durable"
    await driver.drive(tracking.stub, tracking.metadata())
    assert driver.is_done
    assert driver.doubled > 0, "some cuts must fall between a commit and its acknowledgement"
    assert history(tracking.store) == sent
    assert newest(tracking.store) == sent[-1]
    await until(lambda: tracking.service.server._edge.in_flight == 0)


async def test_streams_of_the_whole_fleet_at_once_keep_their_points_apart(tracking: Tracking, clock: FixedClock):
    sent = way(clock.now() - timedelta(hours=1), range(1, 101))

    async def drive(vehicle: str) -> None:
        call = tracking.stub.StreamPositions(metadata=tracking.metadata(ADMIN), timeout=20)
        for place in range(0, 100, 5):
            ack = await exchange(call, wire(sent[place : place + 5], vehicle=vehicle))
            assert ack.acknowledged_sequence == place + 5
        call.cancel()

    await asyncio.gather(*(drive(vehicle.id) for vehicle in FLEET))
    assert [history(tracking.store, vehicle.id) for vehicle in FLEET] == [sent] * 3


async def test_a_cancelled_stream_leaves_nothing_running(tracking: Tracking, clock: FixedClock):
    calls = [tracking.stub.StreamPositions(metadata=tracking.metadata(), timeout=20) for _ in range(20)]
    for number, call in enumerate(calls):
        await exchange(call, wire([position(0, clock.now() - timedelta(seconds=number))], session=""))
    assert tracking.service.server._edge.in_flight == 20
    for call in calls:
        call.cancel()
    await until(lambda: tracking.service.server._edge.in_flight == 0)


async def test_an_idle_stream_keeps_none_of_the_points_that_it_has_sent(tracking: Tracking, clock: FixedClock):
    """Most devices have come out of a tunnel once, with all that they saw in it in one batch."""
    sent = way(clock.now() - timedelta(hours=1), range(1, 501))
    # What earlier tests of this process still hold is theirs.
    before = batches_held()
    calls = [tracking.stub.StreamPositions(metadata=tracking.metadata(), timeout=40) for _ in range(20)]
    for number, call in enumerate(calls):
        await exchange(call, wire(sent, session=f"s{number}"))
    await until(lambda: batches_held() <= before, seconds=20)
    for call in calls:
        call.cancel()


def batches_held() -> int:
    gc.collect()
    return sum(isinstance(found, Batch | Points) for found in gc.get_objects())


async def reported(*batches: PositionBatch) -> list[Batch]:
    """Run the flow over some batches and return what it reports."""
    seen: list[Batch] = []

    async def coming() -> AsyncIterator[PositionBatch]:
        for one in batches:
            yield one

    async def report(one: Batch) -> Report:
        seen.append(one)
        return Report(FERRY, 0, (), 0, 0, None)

    async for _ in stream_positions(coming(), report=report):
        pass
    return seen


async def test_the_flow_fills_in_what_the_first_batch_named(clock: FixedClock):
    sent = way(clock.now(), [1])
    bare = wire(sent, vehicle="", session="")
    assert [(one.vehicle_id, one.session_id) for one in await reported(wire(sent), bare, bare)] == [
        (FERRY.id, "s1")
    ] * 3


async def test_the_flow_refuses_a_second_vehicle(clock: FixedClock):
    sent = way(clock.now(), [1])
    with pytest.raises(InvalidInput) as refusal:
        await reported(wire(sent), wire(sent, vehicle=COACH.id))
    assert [error.pointer for error in refusal.value.errors] == ["/vehicle_id"]
