"""The gRPC edge: nobody reaches a method unparsed, unknown or unadmitted, and every call ends and is counted."""

import asyncio

import grpc
import pytest
from grpc import aio
from headway.booking.v1.timetable_service_pb2 import (
    GetDepartureRequest,
    ListDeparturesRequest,
    ListDeparturesResponse,
)
from headway.booking.v1.timetable_service_pb2_grpc import TimetableServiceStub
from headway.tracking.v1.positions_pb2 import TrackedVehicle
from headway.tracking.v1.tracking_service_pb2 import GetVehicleRequest, PositionAck, PositionBatch
from headway.tracking.v1.tracking_service_pb2_grpc import TrackingServiceStub

from chassis import logs, trace
from chassis.access import Caller
from chassis.errors import Failure, MissingKey, NotFound
from chassis.keys import open_signer
from chassis.rpc_client import ServiceIdentity, open_channel
from chassis.rpc_server import (
    IDEMPOTENCY_KEY_CHARS_MAX,
    MESSAGE_BYTES_MAX,
    current_caller,
    once_for,
    once_if_keyed,
    seconds_left,
)
from tests.chassis.postal import until
from tests.chassis.serving import RULES, TRACKING, Wire, build, echo, refusal, serving

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


# Messages


MALFORMED = [b"\xff", b"\x0a\xff", b"\x0a\x05abc", b"\x0a\x02\xff\xfe", b"\x00", b"\x0b", b"\xff" * 100_000]


@pytest.mark.parametrize("body", MALFORMED, ids=lambda body: repr(body[:4]))
async def test_malformed_bytes_are_the_callers_mistake(served, body):
    found = await refusal(served.channel.unary_unary(TRACKING + "GetVehicle")(body, timeout=5))
    assert (found.code, found.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "MALFORMED_BODY")
    assert "GetVehicleRequest" not in found.detail
    await until(lambda: served.counted("GetVehicle", "INVALID_ARGUMENT") == 1)


async def test_malformed_bytes_in_the_middle_of_a_stream_end_it_with_their_reason(served):
    call = served.channel.stream_stream(TRACKING + "StreamPositions")(timeout=5)
    await call.write(b"")
    assert PositionAck.FromString(await call.read()).accepted == 0
    await call.write(b"\xff")
    assert (await refusal(call.read())).reason == "MALFORMED_BODY"


async def test_a_message_of_more_than_a_megabyte_is_refused_and_the_next_is_served(served):
    too_long = await refusal(served.get_vehicle("x" * (MESSAGE_BYTES_MAX + 1)))
    assert too_long.reason == "OVERLOADED"
    assert (await served.get_vehicle("x" * (MESSAGE_BYTES_MAX - 100))).id


async def test_a_method_that_is_not_there_is_unimplemented_and_harmless(served):
    with pytest.raises(aio.AioRpcError) as error:
        await served.channel.unary_unary(TRACKING + "Sabotage")(b"", timeout=5)
    assert error.value.code() is grpc.StatusCode.UNIMPLEMENTED


# Failures


async def test_an_exception_that_nobody_foresaw_is_told_in_general_terms(served, caplog):
    does(served, raising(KeyError("postgresql://user:secret@host")))
    found = await refusal(served.get_vehicle())
    assert (found.code, found.reason) == (grpc.StatusCode.INTERNAL, "INTERNAL")
    assert (found.detail, found.facts) == (Failure.detail, {})
    [record] = [record for record in caplog.records if record.message == "rpc_failed"]
    assert record.exc_info[0] is KeyError
    await until(lambda: served.counted("GetVehicle", "INTERNAL") == 1)


async def test_a_failure_while_a_caller_is_identified_is_told_the_same_way(served, caplog):
    """Nothing before a method may leak more than a method may."""
    served.edge.rules = {}
    found = await refusal(served.get_vehicle())
    assert found.reason == "INTERNAL"
    await until(lambda: served.edge.in_flight == 0)


async def test_a_failure_in_the_middle_of_a_stream_arrives_after_what_was_sent(served):
    async def two_and_a_failure(_request, _context):
        for number in range(2):
            yield ListDeparturesResponse(cursor=f"{number}")
        raise NotFound(departure_id="dep_1")

    served.does.list_departures = two_and_a_failure
    call = served.timetable.ListDepartures(ListDeparturesRequest(), timeout=5)
    assert [(await call.read()).cursor for _ in range(2)] == ["0", "1"]
    found = await refusal(call.read())
    assert (found.reason, found.facts) == ("NOT_FOUND", {"departure_id": "dep_1"})
    await until(lambda: served.counted("ListDepartures", "NOT_FOUND") == 1)


async def test_a_method_that_aborts_by_itself_leaves_nothing_in_flight(served):
    async def abort(_request, context):
        await context.abort(grpc.StatusCode.DATA_LOSS, "gone")

    served.does.get_vehicle = abort
    with pytest.raises(aio.AioRpcError) as error:
        await served.get_vehicle()
    assert error.value.code() is grpc.StatusCode.DATA_LOSS
    await until(lambda: served.edge.in_flight == 0)


# Who calls


def test_a_method_without_a_rule_is_not_served(tmp_path):
    rules = {name: rule for name, rule in RULES.items() if not name.endswith("GetVehicle")}
    with pytest.raises(SystemExit, match=TRACKING + "GetVehicle"):
        build(tmp_path, rules=rules)


async def test_the_rules_are_kept(served, tmp_path):
    report, batch = served.vehicles.ReportPositions, PositionBatch()
    assert (await refusal(report(batch, timeout=5))).reason == "UNAUTHENTICATED"
    bookings = served.authorization(scope="bookings")
    found = await refusal(report(batch, timeout=5, metadata=bookings))
    assert (found.reason, found.facts) == ("FORBIDDEN", {"scope": "fleet or positions:write"})
    await report(batch, timeout=5, metadata=served.authorization(scope="bookings positions:write"))
    await report(batch, timeout=5, metadata=served.authorization(scope="fleet"))

    ask, departure = served.timetable.GetDeparture, GetDepartureRequest(departure_id="dep_1")
    assert (await refusal(ask(departure, timeout=5))).reason == "UNAUTHENTICATED"
    every_scope = served.authorization(scope="fleet timetable:write", operator_id="*")
    assert (await refusal(ask(departure, timeout=5, metadata=every_scope))).reason == "FORBIDDEN"
    identity = ServiceIdentity(open_signer("pricing", tmp_path))
    assert (await ask(departure, timeout=5, metadata=identity.metadata())).id == "dep_1"


async def test_the_method_knows_who_calls(served):
    callers = []
    does(served, lambda *_: callers.append(current_caller()))
    await served.get_vehicle()
    claims = {"sub": "usr_7", "scope": "a b", "operator_id": "op_1", "vehicle_id": "veh_1"}
    await served.get_vehicle(metadata=served.authorization(**claims))
    assert callers == [Caller(), Caller("usr_7", frozenset({"a", "b"}), "op_1", "veh_1")]


async def test_calls_at_the_same_time_do_not_mix_up_their_callers(served):
    async def tell(_request, _context):
        before = current_caller().subject
        await asyncio.sleep(0.01)
        return TrackedVehicle(id=f"{before} {current_caller().subject}")

    served.does.get_vehicle = tell
    names = [f"usr_{number}" for number in range(50)]
    calls = (served.get_vehicle(metadata=served.authorization(sub=name)) for name in names)
    assert [answer.id for answer in await asyncio.gather(*calls)] == [f"{name} {name}" for name in names]


@pytest.mark.parametrize("authorization", ["Basic dXNlcjpwYXNz", "Bearer", "Bearer ", "Bearer x.y.z", "x"])
async def test_a_token_that_is_none_is_refused_even_where_everybody_may_call(served, authorization):
    found = await refusal(served.get_vehicle(metadata=(("authorization", authorization),)))
    assert found.reason == "UNAUTHENTICATED"


# Keys, ids, traces


async def test_a_key_belongs_to_its_caller_method_and_body(served):
    keys = []
    does(served, lambda request, context: keys.append(once_for(request, context)))
    key = ("idempotency-key", "k")
    await served.get_vehicle(metadata=(key,))
    await served.get_vehicle(metadata=(key,))
    await served.get_vehicle("veh_2", metadata=(key,))
    await served.get_vehicle(metadata=(key, *served.authorization(sub="usr_2")))
    first, again, body, caller = keys
    assert (first.digest, first.fingerprint) == (again.digest, again.fingerprint)
    assert body.digest == first.digest
    assert body.fingerprint != first.fingerprint
    assert caller.digest != first.digest


@pytest.mark.parametrize("key", [None, "", "x" * (IDEMPOTENCY_KEY_CHARS_MAX + 1)])
async def test_a_call_that_needs_a_key_is_refused_without_a_good_one(served, key):
    does(served, once_for)
    metadata = () if key is None else (("idempotency-key", key),)
    assert (await refusal(served.get_vehicle(metadata=metadata))).reason == MissingKey.reason


async def test_a_call_may_do_without_a_key_where_the_method_lets_it(served):
    keys = []
    does(served, lambda request, context: keys.append(once_if_keyed(request, context)))
    await served.get_vehicle()
    await served.get_vehicle(metadata=(("idempotency-key", "k"),))
    assert keys[0] is None
    assert keys[1] is not None


async def test_a_replay_is_announced(served):
    does(served, lambda request, context: once_for(request, context).on_replay())
    call = served.vehicles.GetVehicle(GetVehicleRequest(), metadata=(("idempotency-key", "k"),), timeout=5)
    await call
    assert (await call.trailing_metadata())["idempotent-replayed"] == "true"


async def test_the_request_id_and_the_trace_are_followed(served):
    seen = []
    does(served, lambda *_: seen.append((logs.request_id.get(), trace.current_traceparent())))
    mine = trace.follow(None)
    await served.get_vehicle(metadata=(("x-request-id", "req_1"), ("traceparent", mine)))
    await served.get_vehicle()
    assert seen[0] == ("req_1", mine)
    assert seen[1][0].startswith("req_")
    assert trace.WELL_FORMED.fullmatch(seen[1][1])
    assert seen[1] != seen[0]


# Ends


async def test_a_deadline_ends_the_work(served):
    ended = asyncio.Event()

    async def work(request, context):
        assert 0 < seconds_left(context) < 1
        try:
            await asyncio.sleep(30)
        finally:
            ended.set()

    served.does.get_vehicle = work
    found = await refusal(served.get_vehicle(timeout=0.5))
    assert found.reason == "DEADLINE_EXCEEDED"
    await asyncio.wait_for(ended.wait(), 2)
    await until(lambda: served.edge.in_flight == 0)
    await until(lambda: served.counted("GetVehicle", "CANCELLED") == 1)


async def test_a_caller_that_waits_for_ever_is_taken_to_wait_a_minute_at_most(served):
    left = []
    does(served, lambda _request, context: left.append(seconds_left(context)))
    await served.get_vehicle(timeout=None)
    await served.get_vehicle(timeout=1000)
    assert left == [None, 60.0]


async def test_calls_that_are_cancelled_end_and_leave_nothing_in_flight(served):
    ended = []

    async def hang(*_):
        try:
            await asyncio.sleep(60)
        finally:
            ended.append(1)

    served.does.get_vehicle = hang
    calls = [served.vehicles.GetVehicle(GetVehicleRequest(), timeout=30) for _ in range(200)]
    await until(lambda: served.edge.in_flight == 200)
    for call in calls:
        call.cancel()
    await until(lambda: served.edge.in_flight == 0)
    assert len(ended) == 200


async def test_streams_that_are_abandoned_end(served):
    """grpcio 1.83 to 1.85.1 leave them running: the pin stands until this passes with a newer one."""
    ended = []

    async def endless(*_):
        try:
            yield ListDeparturesResponse()
            await asyncio.sleep(600)
        finally:
            ended.append(1)

    served.does.list_departures = endless
    for _ in range(4):
        wire = Wire(served.server.port)
        async with open_channel(await wire.start()) as channel:
            listing = TimetableServiceStub(channel).ListDepartures
            calls = [listing(ListDeparturesRequest()) for _ in range(ABANDONED // 4)]
            for call in calls:
                await call.read()
            assert served.edge.in_flight >= len(calls)
            for call in calls[::2]:
                call.cancel()
            await wire.cut()
    await until(lambda: served.edge.in_flight == 0, within=5)
    assert len(ended) == ABANDONED


async def test_what_a_stream_opened_is_closed_when_its_reader_goes(served):
    """A generator that is left alone must not wait for the garbage collector."""
    closed = asyncio.Event()

    async def endless(*_):
        try:
            while True:
                yield ListDeparturesResponse(cursor="x" * 1000)
        finally:
            closed.set()

    served.does.list_departures = endless
    call = served.timetable.ListDepartures(ListDeparturesRequest())
    await call.read()
    call.cancel()
    await asyncio.wait_for(closed.wait(), 2)
    await until(lambda: served.edge.in_flight == 0)


async def test_a_stream_of_a_client_that_vanished_ends(served):
    wire = Wire(served.server.port)
    async with open_channel(await wire.start()) as channel:
        call = TrackingServiceStub(channel).StreamPositions()
        await call.write(PositionBatch())
        await call.read()
        assert served.edge.in_flight == 1
        await wire.cut()
    await until(lambda: served.edge.in_flight == 0)
