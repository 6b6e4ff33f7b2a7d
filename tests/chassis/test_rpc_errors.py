"""A failure on the wire is the same on both sides, whatever it carries."""

import math

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2
from grpc import aio
from hypothesis import given
from hypothesis import strategies as st

from chassis import errors
from chassis.errors import Failure, FieldError
from chassis.replies import RequestInFlight
from chassis.rpc_errors import (
    CODES,
    ERRORS_MAX,
    MESSAGE_CHARS_MAX,
    RemoteFailure,
    code_of,
    decode_fact,
    encode_fact,
    failure_of,
    status_of,
)
from tests.chassis.serving import Served, refusal, serving


class SeatTaken(errors.NotAllowedNow):
    reason = "SEAT_TAKEN"
    detail = "Somebody was quicker."


KINDS = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, Failure)]
FACTS = {
    "text": 'Märsta, "quoted"',
    "number": 7,
    "big": 2**53 + 1,
    "fraction": 2.5,
    "true": True,
    "false": False,
    "nothing": None,
    "list": ["1A", 2, None],
    "object": {"a": {"b": [1.5, "x"]}},
    "text that looks like a number": "7",
    "text that looks like null": "null",
    "text that looks like JSON": '["1A"]',
    "empty": "",
}


@pytest.fixture
async def served(tmp_path):
    async with serving(tmp_path) as running:
        yield running


def fail_with(served: Served, failure: Exception) -> None:
    async def fail(_request, _context):
        raise failure

    served.does.get_vehicle = fail


@pytest.mark.parametrize("kind", [*KINDS, SeatTaken], ids=lambda kind: kind.__name__)
async def test_every_kind_arrives_as_what_it_was(served, kind):
    fail_with(served, kind())
    found = await refusal(served.get_vehicle())
    assert (found.reason, found.detail, found.code) == (kind.reason, kind.detail, code_of(kind()))
    assert found.retry_after_seconds == kind.retry_after_seconds
    assert (found.facts, found.errors) == ({}, ())


def test_every_kind_has_a_code_of_its_own():
    assert len(set(CODES.values())) == len(CODES)
    assert set(CODES) >= {kind for kind in KINDS if Failure in kind.__bases__}


async def test_facts_of_every_json_type_arrive_as_they_were(served):
    fail_with(served, SeatTaken(**FACTS))
    found = await refusal(served.get_vehicle())
    assert found.facts == FACTS
    assert {name: type(value) for name, value in found.facts.items()} == {n: type(v) for n, v in FACTS.items()}


async def test_field_errors_and_the_delay_arrive(served):
    wrong = (FieldError("/passengers/0/name", "must not be empty"), FieldError("", "too long"))
    fail_with(served, errors.InvalidInput("Two things are wrong.", errors=wrong, retry_after_seconds=2.5, limit=3))
    found = await refusal(served.get_vehicle())
    assert (found.errors, found.retry_after_seconds, found.facts) == (wrong, 2.5, {"limit": 3})
    assert found.detail == "Two things are wrong."


async def test_a_failure_goes_through_two_processes_unchanged(served):
    """Pricing asks booking, and the gateway is told what booking said."""
    wrong = (FieldError("/a", "b"),)
    first = RemoteFailure(grpc.StatusCode.ABORTED, "SEAT_TAKEN", SeatTaken("Gone.", errors=wrong, detail_id=4))
    fail_with(served, first)
    found = await refusal(served.get_vehicle())
    assert (found.code, found.reason, found.detail) == (grpc.StatusCode.ABORTED, "SEAT_TAKEN", "Gone.")
    assert (found.errors, found.facts) == (wrong, {"detail_id": 4})


async def test_a_failure_as_large_as_can_be_still_arrives(served):
    """What is told in trailers must fit what clients take of them."""
    wrong = [FieldError(f"/passengers/{n}/name", "must not be empty, and this is long " * 3) for n in range(500)]
    fail_with(served, errors.InvalidInput("x" * 5000, errors=wrong, alternatives=["dep_01jd3"] * 20))
    found = await refusal(served.get_vehicle())
    assert found.reason == "INVALID_VALUE"
    assert found.errors == tuple(wrong[:ERRORS_MAX])
    assert found.detail == "x" * MESSAGE_CHARS_MAX


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text() | st.floats(allow_nan=False), st.lists))
def test_any_fact_can_be_read_back(value):
    assert decode_fact(encode_fact(value)) == value


def test_text_that_looks_like_deep_json_is_text():
    deep = "[" * 100_000
    assert decode_fact(encode_fact(deep)) == deep
    assert math.isnan(decode_fact(encode_fact(math.nan)))
    assert decode_fact(encode_fact("NaN")) == "NaN"


# What others say


def raised(code: grpc.StatusCode, *details: bytes, text: str = "said") -> aio.AioRpcError:
    trailing = aio.Metadata(*(("grpc-status-details-bin", detail) for detail in details))
    return aio.AioRpcError(code, aio.Metadata(), trailing, details=text)


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (grpc.StatusCode.UNAVAILABLE, "DEPENDENCY_DOWN"),
        (grpc.StatusCode.CANCELLED, "DEPENDENCY_DOWN"),
        (grpc.StatusCode.DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED"),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, "OVERLOADED"),
        (grpc.StatusCode.UNAUTHENTICATED, "UNAUTHENTICATED"),
        (grpc.StatusCode.UNKNOWN, "INTERNAL"),
        (grpc.StatusCode.UNIMPLEMENTED, "INTERNAL"),
        (grpc.StatusCode.DATA_LOSS, "INTERNAL"),
    ],
)
def test_what_the_transport_says_becomes_one_of_our_kinds_in_our_words(code, reason):
    found = failure_of(raised(code, text="Failed to connect to 10.1.2.3:50051"))
    assert found.reason == reason
    assert "10.1.2.3" not in found.detail


def test_details_that_cannot_be_read_are_left_out():
    status = status_pb2.Status(code=9, message="said")
    status.details.add(type_url="type.googleapis.com/google.rpc.ErrorInfo", value=b"\xff\xff")
    for details in (b"\xff\xff", status.SerializeToString(), b""):
        assert failure_of(raised(grpc.StatusCode.FAILED_PRECONDITION, details)).reason == "INTERNAL"


def test_details_that_contradict_the_status_are_left_out():
    status = status_pb2.Status(code=5, message="said")
    status.details.add().Pack(error_details_pb2.ErrorInfo(reason="NOT_FOUND"))
    assert failure_of(raised(grpc.StatusCode.UNAVAILABLE, status.SerializeToString())).reason == "DEPENDENCY_DOWN"


def test_facts_that_are_named_like_parts_of_a_failure_do_no_harm():
    status = status_pb2.Status(code=9, message="said")
    facts = {"detail": "x", "errors": "y", "retry_after_seconds": "3", "code": "z", "reason": "r"}
    status.details.add().Pack(error_details_pb2.ErrorInfo(reason="SOLD_OUT", metadata=facts))
    found = failure_of(raised(grpc.StatusCode.FAILED_PRECONDITION, status.SerializeToString()))
    assert (found.reason, found.detail, found.errors) == ("SOLD_OUT", "said", ())
    assert found.facts == facts | {"retry_after_seconds": 3}


def test_no_kind_names_a_class_or_a_table():
    for kind in KINDS:
        told = status_of(kind()).details
        assert kind.__name__ not in told
        assert "Error" not in told


def test_a_kind_may_be_told_to_wait_and_knows_how_long():
    assert errors.Unavailable(retry_after_seconds=5, dependency="x").retry_after_seconds == 5
    assert errors.Unavailable(dependency="x").facts == {"dependency": "x"}
    assert RequestInFlight().retry_after_seconds == 1.0
    assert errors.OverLimit(retry_after_seconds=0).retry_after_seconds == 0
