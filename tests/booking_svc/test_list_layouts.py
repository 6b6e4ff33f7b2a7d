import pytest

from booking_svc.queries.list_layouts import list_layouts
from booking_svc.store.work import Work
from chassis.errors import Forbidden
from chassis.store import Store
from tests.booking_svc.builders import FOREIGN_STAFF, OPERATOR, OTHER_OPERATOR, STAFF, ask, layout


def page(store: Store[Work], *, cursor: str = "", limit: int = 50, caller: object = STAFF) -> list[str]:
    found = ask(store, list_layouts, caller=caller, operator_id=OPERATOR, cursor=cursor, limit=limit)
    return [one.id for one in found]


def test_the_default_layout_comes_first_then_the_operator_s_own(store: Store[Work]) -> None:
    own = [layout(store, seats).id for seats in (1, 2)]
    layout(store, 3, operator_id=OTHER_OPERATOR)
    assert page(store) == ["lay_default", *sorted(own)]


@pytest.mark.parametrize("limit", [1, 2, 3, 4])
def test_pages_of_any_size_hold_every_layout_once(store: Store[Work], limit: int) -> None:
    own = {layout(store, seats).id for seats in (1, 2, 3)}
    seen: list[str] = []
    while found := page(store, cursor=seen[-1] if seen else "", limit=limit):
        assert len(found) <= limit
        seen += found
    assert (seen[0], set(seen[1:]), len(seen)) == ("lay_default", own, 4)


def test_staff_list_their_own_operator_s_only(store: Store[Work]) -> None:
    with pytest.raises(Forbidden):
        page(store, caller=FOREIGN_STAFF)
