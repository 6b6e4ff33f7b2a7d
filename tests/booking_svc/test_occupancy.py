"""Seats by segments: numbers in the program, sets of segments here."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from booking_svc.domain.errors import NeedsNotMet, SeatTaken, SoldOut
from booking_svc.domain.layout import Layout, LayoutSeat, default_layout
from booking_svc.domain.occupancy import (
    Lapsed,
    Occupancy,
    Wish,
    choose_any,
    choose_named,
    choose_together,
    ride_mask,
    without,
)
from booking_svc.store.occupancies import read_masks, words
from chassis.errors import InvalidInput

SEGMENTS_MAX = 149


def layout(*features: str, in_a_row: int = 4) -> Layout:
    """Make seats "0", "1" ... with these features, a letter each."""
    seats = [
        LayoutSeat(str(place), place // in_a_row, place % in_a_row, frozenset(own))
        for place, own in enumerate(features)
    ]
    return Layout("lay_1", "", "", tuple(seats))


def wishes(*needs: str) -> list[Wish]:
    return [Wish(needs=frozenset(own)) for own in needs]


rides = st.tuples(st.integers(0, SEGMENTS_MAX), st.integers(0, SEGMENTS_MAX)).filter(lambda ends: ends[0] < ends[1])


def segments_of(mask: int) -> set[int]:
    return {segment for segment in range(mask.bit_length()) if mask >> segment & 1}


@given(rides)
def test_a_mask_is_the_set_of_its_segments(ride: tuple[int, int]) -> None:
    assert segments_of(ride_mask(*ride)) == set(range(*ride))


@given(st.lists(rides, max_size=5), rides)
def test_a_seat_is_free_when_the_sets_have_nothing_in_common(
    taken: list[tuple[int, int]], wanted: tuple[int, int]
) -> None:
    mask, segments = 0, set()
    for ride in taken:
        mask |= ride_mask(*ride)
        segments |= set(range(*ride))
    assert (not mask & ride_mask(*wanted)) == segments.isdisjoint(range(*wanted))


@given(rides)
def test_words_put_together_again_are_the_ride(ride: tuple[int, int]) -> None:
    cut = words(ride_mask(*ride))
    assert read_masks((7, word, bits) for word, bits in cut) == {7: ride_mask(*ride)}
    assert all(0 < bits < 1 << 62 for _, bits in cut)
    assert sorted(word for word, _ in cut) == [word for word, _ in cut]


@given(st.lists(st.tuples(st.integers(0, 5), rides), max_size=8), st.lists(st.tuples(st.integers(0, 5), rides)))
def test_counts_are_those_of_the_sets(
    seated: list[tuple[int, tuple[int, int]]], lapsed: list[tuple[int, tuple[int, int]]]
) -> None:
    occupancy = Occupancy("dep_1", 50, (0,) * SEGMENTS_MAX, 0, 1)
    for _, ride in [*seated, *lapsed]:
        occupancy = occupancy.changed(*ride, 1)
    left = occupancy.without([Lapsed("bkg_1", seat, *ride) for seat, ride in lapsed])
    expected = [sum(segment in range(*ride) for _, ride in seated) for segment in range(SEGMENTS_MAX)]
    assert list(left.taken) == expected
    assert left.seats_free() == [50 - count for count in expected]
    assert left.most_taken(3, 20) == max(expected[3:20])


@given(st.dictionaries(st.integers(0, 3), rides, max_size=3), st.integers(0, 3), rides)
def test_what_a_lapsed_hold_covers_is_free(
    taken: dict[int, tuple[int, int]], seat: int, lapsed: tuple[int, int]
) -> None:
    masks = {place: ride_mask(*ride) for place, ride in taken.items()}
    left = without(masks, [Lapsed("bkg_1", seat, *lapsed)])
    for place in range(4):
        expected = set(range(*taken.get(place, (0, 0)))) - (set(range(*lapsed)) if place == seat else set())
        assert segments_of(left.get(place, 0)) == expected


def test_looking_begins_at_a_seat_that_has_lapsed() -> None:
    full = Occupancy("dep_1", 50, (9, 9), 9, 1)
    assert full.without([Lapsed("bkg_1", 3, 0, 1)]).search_from == 3


def test_named_seats_are_given_as_named() -> None:
    asked = [Wish("2"), Wish(), Wish("0")]
    assert choose_named(layout("", "", ""), asked, {1: 0b1}, 0b11) == {0: 2, 2: 0}


def test_every_named_seat_that_is_not_free_is_told() -> None:
    asked = [Wish("0"), Wish("1"), Wish("2")]
    with pytest.raises(SeatTaken) as refused:
        choose_named(layout("", "", ""), asked, {0: 0b10, 1: 0b100, 2: 0b1}, 0b11)
    assert refused.value.facts == {"seat_ids": ["0", "2"]}


@pytest.mark.parametrize("asked", [[Wish("0"), Wish("9")], [Wish("1"), Wish("1")]])
def test_a_seat_that_does_not_exist_or_is_asked_for_twice_is_the_callers_mistake(asked: list[Wish]) -> None:
    with pytest.raises(InvalidInput) as refused:
        choose_named(layout("", "", ""), asked, {}, 0b1)
    assert [error.pointer for error in refused.value.errors] == ["/passengers/1/seat_ids"]


def test_a_named_seat_must_meet_the_needs() -> None:
    with pytest.raises(NeedsNotMet) as refused:
        choose_named(layout("", "w"), [Wish("0", frozenset("w"))], {}, 0b1)
    assert refused.value.facts == {"seat_ids": ["0"]}


def test_the_first_free_seats_are_given_in_order() -> None:
    assert choose_any(layout("", "", "", ""), wishes("", ""), [1, 3], {}) == {0: 1, 1: 3}


def test_seats_with_features_are_kept_for_who_needs_them() -> None:
    plain_last = layout("w", "ws", "", "")
    assert choose_any(plain_last, wishes("", ""), [0, 1, 2, 3], {}) == {0: 2, 1: 3}
    assert choose_any(plain_last, wishes("", "w"), [0, 1, 2, 3], {}) == {0: 2, 1: 0}
    assert choose_any(plain_last, wishes("", "", ""), [0, 1, 2, 3], {}) == {0: 2, 1: 3, 2: 0}


def test_a_chosen_seat_is_not_given_again() -> None:
    assert choose_any(layout("", "", ""), wishes("", ""), [0, 1, 2], {1: 0}) == {1: 0, 0: 1}


def test_too_few_seats_are_sold_out_and_tell_how_many_are_left() -> None:
    with pytest.raises(SoldOut) as refused:
        choose_any(layout("", "", ""), wishes("", "", ""), [0, 2], {})
    assert refused.value.facts == {"seats_available": 2}


@pytest.mark.parametrize(
    ("features", "needs"), [(("", "w"), ("w", "w")), (("w", "s"), ("ws", "")), (("ab", "b", "c"), ("a", "b", "b"))]
)
def test_needs_that_no_seats_meet_together_are_refused(features: tuple[str, ...], needs: tuple[str, ...]) -> None:
    with pytest.raises(NeedsNotMet):
        choose_any(layout(*features), wishes(*needs), range(len(features)), {})


sets_of_features = st.sets(st.sampled_from("abc"), max_size=2).map("".join)


def can_be_met(features: Sequence[str], needs: Sequence[str]) -> bool:
    """Try every seat for the first passenger, and so on: slow and plainly right."""
    if not needs:
        return True
    return any(
        set(needs[0]) <= set(own) and can_be_met([*features[:place], *features[place + 1 :]], needs[1:])
        for place, own in enumerate(features)
    )


@given(st.lists(sets_of_features, min_size=1, max_size=6), st.lists(sets_of_features, max_size=5))
def test_needs_are_met_whenever_they_can_be(features: list[str], needs: list[str]) -> None:
    free = range(len(features))
    if len(needs) > len(features):
        with pytest.raises(SoldOut):
            choose_any(layout(*features), wishes(*needs), free, {})
    elif can_be_met(features, needs):
        given_seats = choose_any(layout(*features), wishes(*needs), free, {})
        assert sorted(given_seats) == list(range(len(needs)))
        assert len(set(given_seats.values())) == len(needs)
        assert all(set(needs[place]) <= set(features[seat]) for place, seat in given_seats.items())
    else:
        with pytest.raises(NeedsNotMet):
            choose_any(layout(*features), wishes(*needs), free, {})


def test_together_is_side_by_side_in_one_row_if_it_can_be() -> None:
    rows = layout(*[""] * 8)
    assert choose_together(rows, wishes("", ""), [1, 3, 4, 5, 6]) == {0: 4, 1: 5}
    assert choose_together(rows, wishes("", ""), [1, 3, 4, 6]) == {0: 3, 1: 4}


def test_together_meets_needs_too() -> None:
    rows = layout("", "", "", "", "", "w", "", "")
    assert choose_together(rows, wishes("", "w"), range(8)) == {0: 4, 1: 5}


def test_together_refuses_when_nobody_can_sit_side_by_side() -> None:
    with pytest.raises(NeedsNotMet):
        choose_together(layout(*[""] * 8), wishes("", ""), [0, 2, 4, 6])
    with pytest.raises(SoldOut) as refused:
        choose_together(layout(*[""] * 8), wishes("", "", ""), [0, 2])
    assert refused.value.facts == {"seats_available": 2}


def test_the_default_coach_has_fifty_seats() -> None:
    coach = default_layout()
    labels = [seat.id for seat in coach.seats]
    assert len(labels) == len(set(labels)) == 50
    assert (labels[0], labels[-1]) == ("1A", "13B")


def test_somebody_in_a_wheelchair_gets_a_step_free_seat_of_the_default_coach() -> None:
    coach = default_layout()
    seats = choose_any(coach, [Wish(), Wish(needs=frozenset({"wheelchair"}))], range(50), {})
    assert [coach.seats[seats[place]].id for place in (0, 1)] == ["1C", "1A"]
