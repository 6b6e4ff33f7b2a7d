"""What of a device's run is settled, against a plain set that knows everything."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from tracking_svc.domain.sessions import STRETCHES_MAX, Session, merge

BLANK = Session("veh", "s")


def acknowledged(first: int, settled: set[int]) -> int:
    """Count up from the first until something is missing."""
    if first not in settled:
        return 0
    while first + 1 in settled:
        first += 1
    return first


@given(st.lists(st.lists(st.integers(1, 60), min_size=1, max_size=10), min_size=1, max_size=30))
def test_it_knows_what_a_set_of_all_sequences_knows(batches: list[list[int]]):
    session, known, promised = BLANK, set[int](), 0
    for sequences in batches:
        session = session.settle(sequences)
        known |= set(sequences)
        assert session.acknowledged_sequence == acknowledged(min(batches[0]), known)
        assert session.acknowledged_sequence >= promised, "what was promised once stays promised"
        promised = session.acknowledged_sequence
        assert {number for number in range(70) if session.has_settled(number)} == known


def test_a_gap_stops_it_and_filling_the_gap_lets_it_jump():
    session = BLANK.settle([1, 2, 3]).settle([7, 8])
    assert session.acknowledged_sequence == 3
    assert session.settle([4, 5, 6]).acknowledged_sequence == 8


def test_it_counts_from_the_first_that_was_ever_sent():
    assert BLANK.settle([41, 42]).acknowledged_sequence == 42
    assert BLANK.settle([41, 42]).settle([5]).acknowledged_sequence == 42


def test_what_is_no_sequence_settles_nothing():
    assert BLANK.settle([0, -5]) is BLANK
    assert BLANK.acknowledged_sequence == 0


def test_a_session_without_a_name_counts_nothing():
    nameless = Session("veh", "")
    assert nameless.settle([1, 2]) is nameless


def test_a_device_that_leaves_every_second_one_out_takes_no_more_memory_for_it():
    session = BLANK
    for number in range(1, 4 * STRETCHES_MAX, 2):
        session = session.settle([number])
    assert len(session.settled) == STRETCHES_MAX
    assert session.acknowledged_sequence == 1
    session = session.settle(range(1, 4 * STRETCHES_MAX))
    assert session.settled == ((1, 4 * STRETCHES_MAX - 1),), "and goes on as if nothing had been forgotten"


def test_what_came_before_the_first_goes_first_when_memory_is_short():
    session = BLANK.settle([10_000])
    for number in range(2, 4 * STRETCHES_MAX, 2):
        session = session.settle([number])
    assert len(session.settled) <= STRETCHES_MAX
    assert session.acknowledged_sequence == 10_000


@given(st.lists(st.integers(0, 40)))
def test_stretches_are_joined_when_they_touch_or_overlap(numbers: list[int]):
    merged = merge((number, number + 2) for number in numbers)
    covered = [number for first, last in merged for number in range(first, last + 1)]
    assert covered == sorted({number + step for number in numbers for step in range(3)})
    assert all(later[0] > earlier[1] + 1 for earlier, later in pairwise(merged))
