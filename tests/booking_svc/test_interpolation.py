"""Times for calls that have none."""

from itertools import accumulate, chain, pairwise

from hypothesis import given
from hypothesis import strategies as st

from booking_svc.domain.interpolation import interpolate


@st.composite
def timetables(draw: st.DrawFn) -> tuple[list[tuple[int, int] | None], list[float]]:
    """Draw times that never go back, with gaps between the first and the last, and distances that never go back."""
    count = draw(st.integers(2, 30))
    steps = draw(st.lists(st.integers(0, 900), min_size=2 * count, max_size=2 * count))
    moments = list(accumulate(steps))
    times = [*zip(moments[::2], moments[1::2], strict=True)]
    is_given = draw(st.lists(st.booleans(), min_size=count, max_size=count))
    legs = draw(st.lists(st.floats(0, 5000) | st.just(0.0), min_size=count - 1, max_size=count - 1))
    kept = [
        time if known or place in (0, count - 1) else None
        for place, (time, known) in enumerate(zip(times, is_given, strict=True))
    ]
    return kept, list(accumulate(legs, initial=0.0))


@given(timetables())
def test_times_never_go_back_and_given_ones_stand(drawn: tuple[list[tuple[int, int] | None], list[float]]):
    times, distances = drawn
    found = interpolate(times, distances)
    assert len(found) == len(times)
    assert all(before <= after for before, after in pairwise(chain.from_iterable(found)))
    assert all(own in (None, one) for own, one in zip(times, found, strict=True))
    assert all(isinstance(moment, int) for one in found for moment in one)


def test_a_call_lies_in_time_where_it_lies_on_the_way():
    assert interpolate([(0, 60), None, None, (1060, 1060)], [0.0, 250.0, 900.0, 1000.0]) == [
        (0, 60),
        (310, 310),
        (960, 960),
        (1060, 1060),
    ]


def test_calls_in_one_place_are_spread_evenly():
    assert interpolate([(0, 0), None, None, (90, 90)], [5.0] * 4) == [(0, 0), (30, 30), (60, 60), (90, 90)]


def test_a_ride_of_two_calls_is_left_alone():
    assert interpolate([(-30, 0), (600, 660)], [0.0, 1.0]) == [(-30, 0), (600, 660)]
