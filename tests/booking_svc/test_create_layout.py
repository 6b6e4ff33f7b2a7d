import pytest

from booking_svc.domain.layout import SEATS_MAX, Layout, LayoutSeat
from booking_svc.store.work import Work
from booking_svc.use_cases.create_layout import create_layout
from chassis.errors import Forbidden, InvalidInput
from chassis.store import Store
from tests.booking_svc.builders import FOREIGN_STAFF, OPERATOR, STAFF, ask, commit, plain_seats


def create(store: Store[Work], seats: list[LayoutSeat], caller: object = STAFF) -> Layout:
    found: Layout = commit(store, create_layout, caller=caller, operator_id=OPERATOR, name="Boat", seats=seats)
    return found


def test_a_layout_reads_back_as_it_was_made(store: Store[Work]) -> None:
    made = create(store, [LayoutSeat("1A", 1, 1, frozenset({"wheelchair", "window"})), LayoutSeat("1B", 1, 2)])
    assert ask(store, lambda work: work.layouts.get(made.id)) == made
    assert made.index() == {"1A": 0, "1B": 1}


def test_the_largest_layout_is_taken(store: Store[Work]) -> None:
    made = create(store, plain_seats(SEATS_MAX))
    assert len(ask(store, lambda work: work.layouts.get(made.id)).seats) == SEATS_MAX


@pytest.mark.parametrize(
    ("seats", "pointers"),
    [
        ([], ["/seats"]),
        (plain_seats(SEATS_MAX + 1), ["/seats"]),
        ([LayoutSeat("", 1, 1)], ["/seats/0/id"]),
        ([LayoutSeat("123456789", 1, 1)], ["/seats/0/id"]),
        ([LayoutSeat("1A", 1, 1), LayoutSeat("1B", 1, 2), LayoutSeat("1A", 2, 1)], ["/seats/2/id"]),
    ],
    ids=["none", "too many", "no label", "long label", "same label"],
)
def test_seats_that_nobody_could_find_are_refused(
    store: Store[Work], seats: list[LayoutSeat], pointers: list[str]
) -> None:
    with pytest.raises(InvalidInput) as refused:
        create(store, seats)
    assert [error.pointer for error in refused.value.errors] == pointers


def test_staff_create_for_their_own_operator_only(store: Store[Work]) -> None:
    with pytest.raises(Forbidden):
        create(store, plain_seats(1), caller=FOREIGN_STAFF)
