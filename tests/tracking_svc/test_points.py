"""Columns of points: order, frames, and their packed form."""

import math
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from tests.tracking_svc.fleet import columns, position, way
from tracking_svc.domain.points import FRAME_SPAN, SECOND, Points, stretches
from tracking_svc.store.frames import POINT_BYTES, pack, unpack

START = datetime(2030, 1, 2, tzinfo=UTC)
values = st.floats(allow_nan=False, allow_infinity=False)
whole = st.integers(-(2**63), 2**63 - 1)


@given(st.lists(st.tuples(whole, whole, values, values, values, values, values), max_size=50))
def test_what_is_packed_comes_back_exactly(rows: list[tuple[int | float, ...]]):
    points = Points(*zip(*rows, strict=True)) if rows else Points((), (), (), (), (), (), ())
    packed = pack(points)
    assert len(packed) == POINT_BYTES * len(rows)
    assert [tuple(column) for column in unpack(packed).columns] == [tuple(column) for column in points.columns]


def test_what_was_not_told_survives_packing():
    found = unpack(pack(columns([position(1, START)])))
    assert math.isnan(found.speeds[0])
    assert found.at(0) == position(1, START)


def test_five_hundred_points_of_eight_minutes_are_one_frame():
    points = columns(way(START, range(1, 501)))
    assert [len(frame) for frame in points.frames()] == [500]


@given(st.lists(st.integers(0, 5 * FRAME_SPAN), unique=True))
def test_frames_hold_every_point_once_in_order_and_none_is_too_long(times: list[int]):
    times.sort()
    pieces = [times[start:end] for start, end in stretches(times)]
    assert [time for piece in pieces for time in piece] == times
    assert all(piece[-1] - piece[0] <= FRAME_SPAN for piece in pieces)


def test_points_are_put_into_the_order_in_which_they_were_recorded():
    shuffled = columns(way(START, [3, 1, 2]))
    assert list(shuffled.in_order().sequences) == [1, 2, 3]
    ordered = columns(way(START, [1, 2, 3]))
    assert ordered.in_order() is ordered
    assert ordered.recorded[1] - ordered.recorded[0] == SECOND
