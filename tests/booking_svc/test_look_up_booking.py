import pytest

from booking_svc.queries.look_up_booking import look_up_booking
from booking_svc.store.work import Work
from booking_svc.use_cases.hold_booking import REFERENCE_LETTERS
from chassis.errors import NotFound
from chassis.store import Store
from tests.booking_svc.builders import HOLD_SECONDS, ask, hold, publish
from tests.clocks import FixedClock


def test_reference_and_address_find_a_booking_however_they_are_typed(store: Store[Work]) -> None:
    held = hold(store, (publish(store), 0, 1))
    for reference, email in ((held.reference, "rider@example.com"), (held.reference.lower(), " Rider@Example.COM ")):
        assert ask(store, look_up_booking, reference=reference, email=email) == held


def test_neither_alone_finds_anything(store: Store[Work]) -> None:
    held = hold(store, (publish(store), 0, 1))
    for reference, email in ((held.reference, "other@example.com"), ("ZZZZZZ", "rider@example.com"), ("", "")):
        with pytest.raises(NotFound):
            ask(store, look_up_booking, reference=reference, email=email)


def test_a_reference_can_be_read_aloud(store: Store[Work]) -> None:
    departure = publish(store)
    references = {hold(store, (departure, 0, 1)).reference for _ in range(20)}
    assert len(references) == 20
    assert all(len(reference) == 6 and set(reference) <= set(REFERENCE_LETTERS) for reference in references)
    assert not set("01OIL") & set(REFERENCE_LETTERS)


def test_a_hold_that_is_over_is_shown_as_expired(store: Store[Work], clock: FixedClock) -> None:
    held = hold(store, (publish(store), 0, 1))
    clock.advance(HOLD_SECONDS)
    assert ask(store, look_up_booking, reference=held.reference, email="rider@example.com").state == "expired"
