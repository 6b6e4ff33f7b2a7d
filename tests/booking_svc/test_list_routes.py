from dataclasses import replace

from booking_svc.queries.list_routes import list_routes
from booking_svc.store.routes import OwnedRoute
from booking_svc.store.work import Work
from chassis.store import Store
from tests.booking_svc.builders import OPERATOR, OTHER_OPERATOR, ask, departure_wish, publish


def routes(store: Store[Work], *, operator_id: str = "", cursor: str = "", limit: int = 50) -> list[OwnedRoute]:
    found: list[OwnedRoute] = ask(store, list_routes, operator_id=operator_id, cursor=cursor, limit=limit)
    return found


def test_a_route_is_told_once_with_the_ways_its_departures_take(store: Store[Work]) -> None:
    there, again, back = publish(store), publish(store, feed_trip_id="t2"), publish(store, stops=[3, 2, 1, 0])
    (found,) = routes(store)
    assert (found.route, found.operator_id) == (there.route, OPERATOR)
    assert found.pattern_ids == sorted({there.pattern.id, back.pattern.id})
    assert again.pattern == there.pattern


def test_an_operator_s_routes_can_be_asked_for_page_by_page(store: Store[Work]) -> None:
    plain = departure_wish()["route"]
    for number in range(5):
        publish(store, route=replace(plain, id=f"rte_{number}"))
    publish(store, operator_id=OTHER_OPERATOR)
    seen, cursor = [], ""
    while page := routes(store, operator_id=OPERATOR, cursor=cursor, limit=2):
        seen += [one.route.id for one in page]
        cursor = page[-1].route.id
    assert seen == [f"rte_{number}" for number in range(5)]
    assert len(routes(store)) == 6


def test_a_route_whose_name_changes_keeps_its_id(store: Store[Work]) -> None:
    plain = departure_wish()["route"]
    publish(store)
    publish(store, route=replace(plain, long_name="Along the coast"))
    assert [one.route.long_name for one in routes(store)] == ["Along the coast"]
