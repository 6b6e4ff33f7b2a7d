"""Where stops lie along the line of a ride."""

from itertools import pairwise
from math import cos, radians, sin
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from booking_svc.domain.geography import Place, great_circle_meters, on_plane
from booking_svc.domain.shape import (
    POINTS_MAX,
    TOLERANCE_METERS,
    Segment,
    cut,
    extended,
    is_beside,
    locate,
    place_at,
    project,
    shape_of,
)

LISBON = (38.7, -9.2)


def at(*kilometers: tuple[float, float]) -> list[Place]:
    """Return places so many kilometres east and north of a point."""
    return [
        (LISBON[0] + north / 111.195, LISBON[1] + east / 111.195 / cos(radians(LISBON[0])))
        for east, north in kilometers
    ]


def kilometers(meters: list[float]) -> list[float]:
    return [round(one / 1000, 1) for one in meters]


kilometer = st.floats(-20, 20)
ways = st.lists(st.tuples(kilometer, kilometer), min_size=2, max_size=30)


@given(way=ways, stops=st.lists(st.tuples(kilometer, kilometer), min_size=2, max_size=12))
def test_places_along_a_shape_never_go_back(way: list[tuple[float, float]], stops: list[tuple[float, float]]):
    shape = shape_of(at(*way))
    found = project(shape, at(*stops))
    assert len(found) == len(stops)
    assert all(before <= after for before, after in pairwise(found))
    assert found[0] >= 0
    assert found[-1] <= shape.along_meters[-1]


@given(way=ways, shares=st.lists(st.floats(0, 1), min_size=2, max_size=10))
def test_stops_on_a_shape_are_found_on_it(way: list[tuple[float, float]], shares: list[float]):
    """However often it crosses itself: the places found are beside the stops."""
    shape = shape_of(at(*way))
    stops = [place_at(shape, share * shape.along_meters[-1]) for share in sorted(shares)]
    found = project(shape, stops)
    offsets = [great_circle_meters(place_at(shape, one), stop) for one, stop in zip(found, stops, strict=True)]
    assert max(offsets[1:-1], default=0.0) < 25
    assert max(offsets) < 25, "the ends may be taken up to 20 m off"


def test_a_stop_beside_a_loop_is_found_on_the_right_pass():
    """Out east, round a block and back on the same road: the same stop is called at twice."""
    shape = shape_of(at((0, 0), (3, 0), (3, 1), (4, 1), (4, 0), (3, 0), (0, 0)))
    stops = at((0, 0), (2, 0.01), (3.5, 1), (2, -0.01), (0, 0))
    assert kilometers(project(shape, stops)) == [0.0, 2.0, 4.5, 8.0, 10.0]


def test_a_round_trip_goes_the_whole_way_round():
    shape = shape_of(at((0, 0), (2, 0), (2, 2), (0, 2), (0, 0.005)))
    assert kilometers(project(shape, at((0, 0), (0, 0)))) == [0.0, 8.0]


def test_a_figure_of_eight_is_walked_in_order():
    shape = shape_of(at((0, 0), (2, 2), (2, 0), (0, 2)))
    stops = at((0.5, 0.5), (1, 1), (2, 1), (1, 1), (0, 2))
    found = kilometers(project(shape, stops))
    assert found == sorted(found)
    assert found[1] == pytest.approx(1.4)
    assert found[3] == pytest.approx(2.8 + 2 + 1.4)


def test_a_stop_far_away_does_not_pull_others_along():
    shape = shape_of(at((0, 0), (10, 0)))
    found = project(shape, at((1, 0), (5, 0), (2, 30), (9, 0)))
    assert kilometers([found[0], found[1], found[3]]) == [1.0, 5.0, 9.0]
    assert is_beside(shape, found, at((1, 0), (5, 0), (2, 30), (9, 0))) == [True, True, False, True]


def test_a_shape_that_ends_too_early_is_led_on_straight():
    shape = shape_of(at((0, 0), (5, 0)))
    stops = at((-3, 4), (0.5, 0), (4, 0), (8, 3))
    longer = extended(shape, project(shape, stops), stops)
    assert longer
    found = project(longer, stops)
    assert all(is_beside(longer, found, stops))
    assert kilometers(found) == [0.0, 5.3, 8.8, 13.8]


def test_a_shape_that_passes_no_stop_cannot_be_led_on():
    shape = shape_of(at((0, 0), (5, 0)))
    stops = at((0, 40), (5, 40))
    assert extended(shape, project(shape, stops), stops) is None


def test_distances_in_another_unit_are_told_in_meters():
    """As in a feed that counts in miles, with a stop between two marks."""
    shape = shape_of(at((0, 0), (1.609, 0), (4.828, 0)), [0.0, 1.0, 3.0])
    assert kilometers(locate(shape, [0.0, 0.5, 2.0, 3.0, 7.0])) == [0.0, 0.8, 3.2, 4.8, 4.8]


def test_the_part_that_a_ride_takes_begins_and_ends_with_it():
    shape = shape_of(at((0, 0), (2, 0), (2, 2)))
    part = cut(shape, 500.0, 3000.0)
    assert [meters for _, _, meters in part] == [0.0, pytest.approx(1500, abs=2), 2500.0]
    assert part[1][:2] == pytest.approx(at((2, 0))[0], abs=1e-6)
    assert part[2][:2] == pytest.approx(at((2, 1))[0], abs=1e-4)


def test_a_long_shape_strays_three_meters_at_most():
    """A winding coast of 6,000 points keeps its length and its line."""
    chance = Random(7)
    way = [(east / 100, sin(east / 150) + chance.uniform(-0.001, 0.001)) for east in range(6000)]
    whole, short = at(*way), shape_of(at(*way))
    assert 2 < len(short.places) <= POINTS_MAX
    assert short.along_meters[-1] == sum(great_circle_meters(*pair) for pair in pairwise(whole))
    points = on_plane(short.places, origin=whole[0])
    segments = [Segment.between(*pair) for pair in pairwise(points)]
    for point in on_plane(whole[::50], origin=whole[0]):
        assert min(segment.offset(point) for segment in segments) <= TOLERANCE_METERS + 1e-6


def test_a_shape_that_winds_ever_so_much_has_a_thousand_points_at_most():
    """Even points that all stray are bounded, in number and in the time that they take."""
    chance = Random(3)
    way = [(east / 100, chance.uniform(-1, 1)) for east in range(20_000)]
    assert 2 < len(shape_of(at(*way)).places) <= POINTS_MAX


def test_a_short_shape_keeps_all_its_points():
    way = at(*((east / 100, 0.0) for east in range(POINTS_MAX)))
    assert list(shape_of(way).places) == way


def test_a_ride_across_the_180th_meridian_is_short():
    shape = shape_of([(-16.8, 179.9), (-16.8, -179.9)])
    stops = [(-16.8, 179.95), (-16.8, -179.95)]
    found = project(shape, stops)
    assert kilometers(found) == [5.3, 16.0]
    assert is_beside(shape, found, stops) == [True, True]


def test_points_that_stand_twice_do_no_harm():
    shape = shape_of(at((0, 0), (0, 0), (1, 0), (1, 0)))
    assert kilometers(project(shape, at((0, 0), (1, 0)))) == [0.0, 1.0]
    assert shape_of(at((1, 1), (1, 1))).along_meters == (0.0, 0.0)
    assert project(shape_of(at((1, 1), (1, 1))), at((1, 1), (1, 1))) == [0.0, 0.0]
