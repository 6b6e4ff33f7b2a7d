from dataclasses import replace

import pytest

from booking_svc.domain.departure import Stop, distance_meters
from booking_svc.queries.list_stops import FoundStop, list_stops
from booking_svc.store.stops import Circle
from booking_svc.store.work import Work
from chassis.store import Store
from tests.booking_svc.builders import OPERATOR, OTHER_OPERATOR, ask, commit, stop


def named(number: int, name: str, **changes: object) -> Stop:
    return replace(stop(number), name=name, **changes)


def keep(store: Store[Work], *stops: Stop, operator_id: str = OPERATOR) -> None:
    commit(store, lambda work: work.stops.save(stops, operator_id=operator_id))


def find(store: Store[Work], words: str = "", near: Circle | None = None, **changes: object) -> list[FoundStop]:
    asked = {"operator_id": "", "cursor": "", "limit": 50} | changes
    found: list[FoundStop] = ask(store, list_stops, words=words, near=near, **asked)
    return found


def names(found: list[FoundStop]) -> list[str]:
    return [one.stop.name for one in found]


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("lub", ["Lübeck ZOB"]),
        ("LÜB", ["Lübeck ZOB"]),
        ("zob", ["Lübeck ZOB"]),
        ("zob lü", ["Lübeck ZOB"]),
        ("übe", []),
        ("foehr", []),
        ("fohr", ["Wyk auf Föhr"]),
        ("rødby", ["Rødby"]),
        ("rodby", ["Rødby"]),
        ("santo-amaro", ["Santo Amaro (Oeiras)"]),
        ("oei", ["Santo Amaro (Oeiras)"]),
        ("%", []),
        ("_", []),
        ("50%", ["Only 50% of it"]),
    ],
)
def test_stops_are_found_by_the_beginnings_of_words(store: Store[Work], words: str, found: list[str]) -> None:
    texts = ["Lübeck ZOB", "Wyk auf Föhr", "Rødby", "Santo Amaro (Oeiras)", "Only 50% of it"]
    keep(store, *(named(number, text) for number, text in enumerate(texts)))
    expected = found if words.strip("%_") else sorted(texts)
    assert sorted(names(find(store, words))) == expected


def test_a_renamed_stop_is_found_by_its_new_name_only(store: Store[Work]) -> None:
    keep(store, named(1, "Old Pier"))
    keep(store, named(1, "New Quay"))
    assert names(find(store, "quay")) == ["New Quay"]
    assert find(store, "pier") == []


def test_a_platform_is_found_by_its_station(store: Store[Work]) -> None:
    station = named(1, "Central", is_station=True)
    keep(store, station, named(2, "Central, platform 1", station_id=station.id))
    assert names(find(store, "central")) == ["Central"]


def test_pages_hold_every_stop_once(store: Store[Work]) -> None:
    keep(store, *(named(number, f"Pier {number}") for number in range(7)))
    seen, cursor = [], ""
    while page := find(store, "pier", cursor=cursor, limit=3):
        seen += names(page)
        cursor = page[-1].stop.id
    assert sorted(seen) == [f"Pier {number}" for number in range(7)]


def test_an_operator_s_stops_can_be_asked_for(store: Store[Work]) -> None:
    keep(store, named(1, "Pier"))
    keep(store, replace(named(2, "Pier"), id="stp_x"), operator_id=OTHER_OPERATOR)
    assert [one.operator_id for one in find(store, "pier", operator_id=OTHER_OPERATOR)] == [OTHER_OPERATOR]
    assert len(find(store, "pier")) == 2


def test_stops_around_a_place_come_nearest_first_with_their_distance(store: Store[Work]) -> None:
    stops = [named(number, f"Pier {number}") for number in range(10)]  # 0.01 degrees apart: 1,112 m
    keep(store, *stops)
    here = Circle(38.042, -9.1, 3000)
    found = find(store, near=here)
    assert names(found) == ["Pier 4", "Pier 5", "Pier 3", "Pier 6", "Pier 2"]
    assert found[0].distance_meters == round(distance_meters(stops[4], replace(stops[4], latitude=38.042)), 1)
    assert names(find(store, near=here, limit=2, cursor=found[1].stop.id)) == ["Pier 3", "Pier 6"]
    assert names(find(store, "5", near=here)) == ["Pier 5"]


def test_a_circle_at_the_pole_or_the_date_line_breaks_nothing(store: Store[Work]) -> None:
    keep(store, named(1, "North", latitude=89.9, longitude=0.0), named(2, "East", longitude=179.999, latitude=0.0))
    assert names(find(store, near=Circle(90.0, 120.0, 50_000))) == ["North"]
    assert names(find(store, near=Circle(0.0, 179.99, 5_000))) == ["East"]
    assert names(find(store, near=Circle(0.0, -179.999, 5_000))) == ["East"]
