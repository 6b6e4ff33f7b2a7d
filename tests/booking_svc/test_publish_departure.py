from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from headway.booking.v1 import departure_events_pb2

from booking_svc.domain.departure import DepartureState
from booking_svc.domain.errors import DepartureExists, UnknownStop
from booking_svc.store.patterns import PATTERNS
from booking_svc.store.work import Work
from booking_svc.use_cases.publish_departure import CALLS_MAX, publish_departure
from chassis.errors import Forbidden, InvalidInput, NotFound
from chassis.store import Store
from tests.booking_svc.builders import (
    FOREIGN_STAFF,
    OPERATOR,
    OTHER_OPERATOR,
    SERVICE_DATE,
    STAFF,
    STARTS_AT,
    ask,
    call_at,
    calls_at,
    commit,
    departure_wish,
    events,
    layout,
    publish,
    rows,
    stop,
)


def test_a_published_departure_reads_back_as_it_was_answered(store: Store[Work]) -> None:
    published = publish(store, caller=STAFF)
    assert ask(store, lambda work: work.departures.get(published.id)) == published
    assert (published.state, published.version, published.capacity) == (DepartureState.SCHEDULED, 1, 50)
    assert [call.stop.id for call in published.calls] == [stop(number).id for number in range(4)]
    assert published.starts_at == STARTS_AT + timedelta(minutes=1)
    assert published.ends_at == STARTS_AT + timedelta(minutes=30)
    assert [call.sequence for call in published.calls] == [0, 1, 2, 3]


def test_publishing_is_told(store: Store[Work]) -> None:
    published = publish(store)
    (told,) = events(store)
    assert told.subject == f"headway.v1.departure.published.{OPERATOR}.{published.id}"
    event = departure_events_pb2.DeparturePublished.FromString(told.payload)
    assert (event.departure.id, event.departure.pattern_id) == (published.id, published.pattern.id)


def test_nobody_gets_on_at_the_end_nor_off_at_the_start(store: Store[Work]) -> None:
    calls = publish(store).calls
    assert [call.is_boarding_allowed for call in calls] == [True, True, True, False]
    assert [call.is_alighting_allowed for call in calls] == [False, True, True, True]


def test_distances_add_up_along_the_way(store: Store[Work]) -> None:
    distances = [call.distance_meters for call in publish(store).calls]
    assert distances == pytest.approx([0, 1112, 2224, 3336], abs=1)


def test_departures_with_the_same_calls_share_a_pattern(store: Store[Work]) -> None:
    first, second = publish(store), publish(store, starts_at=STARTS_AT + timedelta(days=1))
    assert first.pattern == second.pattern
    assert second.starts_at - first.starts_at == timedelta(days=1)
    assert len(rows(store, PATTERNS)) == 1


def test_a_loop_calls_at_its_first_stop_again(store: Store[Work]) -> None:
    assert publish(store, stops=[0, 1, 0]).part(stop(0).id, stop(0).id) == (0, 2)


def test_a_stop_that_is_known_need_not_be_described_again(store: Store[Work]) -> None:
    publish(store)
    known = [replace(call, stop=None, stop_id=stop(place).id) for place, call in enumerate(calls_at(range(4)))]
    assert [call.stop for call in publish(store, calls=known).calls] == [stop(number) for number in range(4)]


def test_a_stop_described_anew_is_brought_up_to_date_for_later_departures(store: Store[Work]) -> None:
    earlier = publish(store)
    renamed = replace(stop(0), name="Old pier")
    publish(store, calls=[call_at(0, 0, stop=renamed), call_at(1, 1)])
    by_id = publish(store, calls=[call_at(0, 0, stop=None, stop_id=stop(0).id), call_at(1, 1)])
    assert by_id.calls[0].stop.name == "Old pier"
    assert ask(store, lambda work: work.departures.get(earlier.id)).calls[0].stop.name == "Pier 0"


def test_a_departure_of_a_layout_has_its_seats(store: Store[Work]) -> None:
    assert publish(store, seats=7).capacity == 7


def test_the_headsign_is_the_last_stop_unless_given(store: Store[Work]) -> None:
    assert publish(store, headsign="").headsign == "Pier 3"
    assert publish(store, headsign="City").headsign == "City"


def test_a_trip_of_a_feed_is_published_once_a_service_date(store: Store[Work]) -> None:
    first = publish(store, feed_trip_id="t1")
    with pytest.raises(DepartureExists) as refused:
        publish(store, feed_trip_id="t1")
    assert refused.value.facts == {"departure_id": first.id}
    publish(store, feed_trip_id="t1", starts_at=STARTS_AT + timedelta(days=1))
    publish(store, feed_trip_id="t1", operator_id=OTHER_OPERATOR)
    publish(store, feed_trip_id="t1", starts_at=STARTS_AT + timedelta(hours=1))  # another run of a frequency
    publish(store, feed_trip_id="")
    publish(store, feed_trip_id="")


def test_a_departure_after_midnight_belongs_to_the_day_before(store: Store[Work]) -> None:
    at_night = STARTS_AT + timedelta(hours=17)
    late = publish(store, service_date=SERVICE_DATE, calls=calls_at(range(3), starts_at=at_night))
    assert late.service_date == SERVICE_DATE
    assert late.starts_at.date() == SERVICE_DATE + timedelta(days=1)
    assert late.starts_at == calls_at(range(3), starts_at=at_night)[0].departure_at


def test_times_are_right_on_the_day_the_clocks_go_forward(store: Store[Work]) -> None:
    # 10:00 in Lisbon on the 31st of March 2030 is 09:00 UTC, ten hours after the service day began.
    ten = datetime(2030, 3, 31, 9, tzinfo=UTC)
    published = publish(store, service_date=date(2030, 3, 31), calls=calls_at(range(2), starts_at=ten))
    assert (published.starts_at, published.calls[0].arrival_at) == (ten + timedelta(minutes=1), ten)


def test_departures_of_the_same_way_share_their_pattern_at_any_time_of_day(store: Store[Work]) -> None:
    first, second = publish(store), publish(store, starts_at=STARTS_AT + timedelta(hours=2, minutes=7))
    assert first.pattern == second.pattern
    assert second.calls[0].departure_at == first.calls[0].departure_at + timedelta(hours=2, minutes=7)


def test_calls_in_between_need_no_times(store: Store[Work]) -> None:
    calls = [call_at(0, 0), call_at(1, 1, arrival_at=None, departure_at=None), call_at(2, 2)]
    published = publish(store, calls=calls)
    assert published.calls[1].arrival_at is None
    assert published.leg(1, 2).origin.scheduled_at == STARTS_AT + timedelta(minutes=1)


def test_a_departure_of_very_many_calls_is_published(store: Store[Work]) -> None:
    published = publish(store, calls=calls_at(range(CALLS_MAX)))
    assert ask(store, lambda work: work.departures.get(published.id)).segments == CALLS_MAX - 1


def untimed(place: int) -> Any:
    return call_at(place, place, arrival_at=None, departure_at=None)


BACKWARDS = [call_at(0, 1), call_at(1, 0)]
LEAVES_BEFORE_IT_COMES = [call_at(0, 0, departure_at=STARTS_AT - timedelta(minutes=1)), call_at(1, 1)]
WRONG_CALLS = {
    "none": ([], ["/calls"]),
    "one": (calls_at([0]), ["/calls"]),
    "too many": (calls_at(range(CALLS_MAX + 1)), ["/calls"]),
    "first untimed": ([untimed(0), call_at(1, 1)], ["/calls/0"]),
    "last untimed": ([call_at(0, 0), untimed(1)], ["/calls/1"]),
    "both untimed": ([untimed(0), untimed(1)], ["/calls/0", "/calls/1"]),
    "backwards": (BACKWARDS, ["/calls/1"]),
    "leaves before it comes": (LEAVES_BEFORE_IT_COMES, ["/calls/0"]),
    "a day too early": (calls_at([0, 1], starts_at=STARTS_AT - timedelta(days=1)), ["/calls/0", "/calls/1"]),
    "a week too late": (calls_at([0, 1], starts_at=STARTS_AT + timedelta(days=7)), ["/calls/0", "/calls/1"]),
}


@pytest.mark.parametrize("name", WRONG_CALLS)
def test_calls_that_make_no_ride_are_refused(store: Store[Work], name: str) -> None:
    calls, pointers = WRONG_CALLS[name]
    with pytest.raises(InvalidInput) as refused:
        publish(store, calls=calls, service_date=SERVICE_DATE)
    assert [error.pointer for error in refused.value.errors] == pointers
    assert events(store) == []


def test_an_unknown_stop_is_refused(store: Store[Work]) -> None:
    with pytest.raises(UnknownStop) as refused:
        publish(store, calls=[call_at(0, 0), call_at(1, 1, stop=None, stop_id="stp_none")])
    assert refused.value.facts == {"stop_id": "stp_none"}


def test_staff_publish_for_their_own_operator_only(store: Store[Work]) -> None:
    with pytest.raises(Forbidden):
        commit(store, publish_departure, **departure_wish(caller=FOREIGN_STAFF))


def test_another_operator_s_layout_is_as_absent_as_none(store: Store[Work]) -> None:
    foreign = layout(store, 3, operator_id=OTHER_OPERATOR)
    refusals = []
    for layout_id in (foreign.id, "lay_none"):
        with pytest.raises(NotFound) as refused:
            publish(store, layout_id=layout_id)
        refusals.append((refused.value.reason, refused.value.detail, set(refused.value.facts)))
    assert refusals[0] == refusals[1]
