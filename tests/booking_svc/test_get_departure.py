import pytest

from booking_svc.queries.get_departure import get_departure
from booking_svc.store.work import Work
from chassis.errors import NotFound
from chassis.store import Store
from tests.booking_svc.builders import ask, publish


def test_a_departure_is_read_with_its_calls(store: Store[Work]) -> None:
    published = publish(store)
    assert ask(store, get_departure, departure_id=published.id) == published


def test_what_is_not_there_is_not_found(store: Store[Work]) -> None:
    with pytest.raises(NotFound):
        ask(store, get_departure, departure_id="dep_none")
