"""Which points can be true: pure, without a database."""

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tracking_svc.fleet import columns, position
from tracking_svc.domain.judgement import Reason, judge, refuse_stored, taken, without_nonsense
from tracking_svc.domain.points import Points, instant, microseconds, told
from tracking_svc.domain.sessions import Session

NOW = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)
NOBODYS = Session("veh", "")
INFINITE = math.inf


def verdict(session: Session = NOBODYS, **values: object) -> Reason | None:
    """Judge one point that is right but for some values."""
    values.setdefault("at", NOW)
    (found,) = judge(columns([position(**{"sequence": 1, **values})]), session=session, now=microseconds(NOW))
    return found


@pytest.mark.parametrize(
    ("latitude", "longitude", "reason"),
    [
        (math.nan, 20.0, Reason.NOT_FINITE),
        (10.0, math.nan, Reason.NOT_FINITE),
        (INFINITE, 20.0, Reason.NOT_FINITE),
        (10.0, -INFINITE, Reason.NOT_FINITE),
        (90.000001, 20.0, Reason.OUT_OF_RANGE),
        (-90.000001, 20.0, Reason.OUT_OF_RANGE),
        (10.0, 180.000001, Reason.OUT_OF_RANGE),
        (10.0, -1e308, Reason.OUT_OF_RANGE),
        (0.0, 0.0, Reason.NULL_ISLAND),
        (-0.0, 0.0, Reason.NULL_ISLAND),
        (0.0, 20.0, None),
        (10.0, 0.0, None),
        (90.0, 180.0, None),
        (-90.0, -180.0, None),
    ],
)
def test_a_place_must_be_on_earth_and_not_null_island(latitude: float, longitude: float, reason: Reason | None):
    assert verdict(latitude=latitude, longitude=longitude) is reason


@pytest.mark.parametrize(
    ("seconds", "reason"),
    [
        (60, None),
        (60.000001, Reason.IN_THE_FUTURE),
        (-7 * 86_400, None),
        (-7 * 86_400 - 0.000001, Reason.TOO_OLD),
    ],
)
def test_a_time_must_lie_within_the_history(seconds: float, reason: Reason | None):
    assert verdict(at=NOW + timedelta(seconds=seconds)) is reason


def test_no_time_at_all_is_too_old_and_one_beyond_every_calendar_is_in_the_future():
    points = columns([position(1, NOW), position(2, NOW), position(3, NOW)])
    points = replace(points, recorded=[0, 2**63 * 1_000_000, -(2**63) * 1_000_000])
    assert judge(points, session=NOBODYS, now=microseconds(NOW)) == ["too_old", "in_the_future", "too_old"]


@pytest.mark.parametrize(
    ("accuracy", "reason"),
    [(None, None), (math.nan, None), (0, None), (500, None), (500.1, Reason.INACCURATE), (INFINITE, Reason.INACCURATE),
     (-1, Reason.OUT_OF_RANGE), (-INFINITE, Reason.OUT_OF_RANGE)],
)  # fmt: skip
def test_a_point_that_may_be_anywhere_is_refused(accuracy: float | None, reason: Reason | None):
    assert verdict(accuracy_meters=accuracy) is reason


@pytest.mark.parametrize(
    ("speed", "kept"),
    [(0.0, 0.0), (150.0, 150.0), (150.1, None), (-1.0, None), (math.nan, None), (INFINITE, None), (-INFINITE, None)],
)
def test_a_speed_that_cannot_be_true_is_left_away_and_the_point_kept(speed: float, kept: float | None):
    points = columns([position(1, NOW, speed_meters_per_second=speed)])
    assert judge(points, session=NOBODYS, now=microseconds(NOW)) == [None]
    assert without_nonsense(points).at(0).speed_meters_per_second == kept


@pytest.mark.parametrize(
    ("heading", "kept"),
    [(0.0, 0.0), (360.0, 360.0), (360.1, None), (-1.0, None), (math.nan, None), (INFINITE, None)],
)
def test_a_heading_that_cannot_be_true_is_left_away_and_the_point_kept(heading: float, kept: float | None):
    points = columns([position(1, NOW, heading_degrees=heading)])
    assert judge(points, session=NOBODYS, now=microseconds(NOW)) == [None]
    assert without_nonsense(points).at(0).heading_degrees == kept


def test_a_negative_sequence_is_out_of_range():
    assert verdict(sequence=-1) is Reason.OUT_OF_RANGE


def test_a_settled_sequence_is_a_duplicate_unless_the_point_is_wrong_in_itself():
    session = Session("veh", "s").settle([1])
    assert verdict(session) is Reason.DUPLICATE
    assert verdict(session, latitude=math.nan) is Reason.NOT_FINITE
    assert verdict(session, sequence=2) is None


def test_the_second_of_two_points_with_one_sequence_is_a_duplicate():
    points = columns([position(1, NOW), position(1, NOW - timedelta(seconds=1))])
    now = microseconds(NOW)
    assert judge(points, session=Session("veh", "s"), now=now) == [None, Reason.DUPLICATE]
    assert judge(points, session=NOBODYS, now=now) == [None, None], "without a session a sequence says nothing"


def test_a_time_that_is_stored_or_came_before_in_the_batch_is_a_duplicate():
    points = columns([position(0, NOW), position(0, NOW), position(0, NOW - timedelta(seconds=1))])
    stored = [microseconds(NOW - timedelta(seconds=1))]
    assert refuse_stored(points, [None] * 3, stored=stored) == [None, Reason.DUPLICATE, Reason.DUPLICATE]


def test_a_refused_point_does_not_take_the_time_of_a_good_one():
    points = columns([position(0, NOW, latitude=math.nan), position(0, NOW)])
    verdicts = judge(points, session=NOBODYS, now=microseconds(NOW))
    assert refuse_stored(points, verdicts, stored=[]) == [Reason.NOT_FINITE, None]


anything = st.floats(allow_nan=True, allow_infinity=True)
rows = st.tuples(
    st.integers(-(2**63), 2**63 - 1), st.integers(-(2**83), 2**83), anything, anything, anything, anything, anything
)


@given(st.lists(rows, min_size=1, max_size=30))
def test_whatever_comes_what_is_taken_can_be_true_and_nothing_raises(found: list[tuple[int | float, ...]]):
    points = Points(*zip(*found, strict=True))
    places = taken(judge(points, session=Session("veh", "s"), now=microseconds(NOW)))
    for point in map(without_nonsense(points.take(places)).at, range(len(places))):
        assert abs(point.latitude) <= 90
        assert abs(point.longitude) <= 180
        assert point.recorded_at <= NOW + timedelta(seconds=60)
        assert point.sequence >= 0
        assert 0 <= (point.speed_meters_per_second or 0) <= 150
        assert 0 <= (point.heading_degrees or 0) <= 360
        assert 0 <= (point.accuracy_meters or 0) <= 500


@given(st.lists(rows, min_size=1, max_size=20))
def test_no_point_changes_the_verdict_of_another(found: list[tuple[int | float, ...]]):
    """But for a repeat: so every point here is without a sequence that counts."""

    def judged(some: list[tuple[int | float, ...]]) -> list[Reason | None]:
        return judge(Points(*zip(*some, strict=True)), session=NOBODYS, now=microseconds(NOW))

    alone = [judged([row])[0] for row in found]
    assert judged(found) == alone


@given(st.integers(0, 2**52))
def test_microseconds_go_to_a_time_and_back(recorded: int):
    assert microseconds(instant(recorded)) == recorded


def test_what_was_not_told_reads_as_nothing():
    assert told(math.nan) is None
    assert told(0.0) == 0.0
