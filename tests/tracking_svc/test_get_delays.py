"""How late departures are, for whoever asks."""

from grpc import StatusCode
from headway.tracking.v1 import tracking_service_pb2

from tests.tracking_svc.fleet import Tracking
from tests.tracking_svc.wires import refusal_of

GetDelays = tracking_service_pb2.GetDelaysRequest


async def test_of_what_nobody_follows_nothing_is_known(tracking: Tracking):
    assert not (await tracking.stub.GetDelays(GetDelays(departure_ids=["dep_1", "dep_2"]), timeout=20)).delays


async def test_no_more_than_two_hundred_are_told_at_once(tracking: Tracking):
    await tracking.stub.GetDelays(GetDelays(departure_ids=["dep_1"] * 200), timeout=20)
    refusal = await refusal_of(tracking.stub.GetDelays(GetDelays(departure_ids=["dep_1"] * 201), timeout=20))
    assert refusal == (StatusCode.INVALID_ARGUMENT, "INVALID_VALUE")
