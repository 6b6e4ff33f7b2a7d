"""Rows are parsed once a version, and no more of them are kept than there is room for."""

import threading
from collections.abc import Iterator

from pricing_svc.store.parsed import Parsed


class Rows:
    """Rows by id whose loading is counted."""

    def __init__(self, **versions: int) -> None:
        self.versions = versions
        self.loaded: list[str] = []

    def load(self, ids: list[str]) -> Iterator[tuple[str, int, str]]:
        for id_ in ids:
            self.loaded.append(id_)
            yield id_, self.versions[id_], f"{id_}{self.versions[id_]}"


def test_a_row_is_loaded_once_a_version():
    rows, parsed = Rows(a=1, b=1), Parsed[str](size=9)
    assert parsed.of(rows.versions, rows.load) == {"a": "a1", "b": "b1"}
    assert parsed.of(rows.versions, rows.load) == {"a": "a1", "b": "b1"}
    rows.versions["a"] = 2
    assert parsed.of(rows.versions, rows.load) == {"a": "a2", "b": "b1"}
    assert rows.loaded == ["a", "b", "a"]


def test_a_row_that_went_back_to_an_older_version_is_not_answered_by_the_newer():
    rows, parsed = Rows(a=2), Parsed[str](size=9)
    parsed.of({"a": 2}, rows.load)
    rows.versions["a"] = 1
    assert parsed.of({"a": 1}, rows.load) == {"a": "a1"}


def test_a_row_that_is_gone_is_not_answered():
    rows, parsed = Rows(a=1), Parsed[str](size=9)
    parsed.of(rows.versions, rows.load)
    assert parsed.of({}, rows.load) == {}


def test_the_longest_kept_make_room():
    rows, parsed = Rows(a=1, b=1, c=1), Parsed[str](size=2)
    for id_ in "abc":
        parsed.of({id_: 1}, rows.load)
    parsed.of({"b": 1, "c": 1}, rows.load)
    assert rows.loaded == ["a", "b", "c"]
    parsed.of({"a": 1}, rows.load)
    assert rows.loaded == ["a", "b", "c", "a"]


def test_more_than_there_is_room_for_is_still_answered_in_full():
    rows, parsed = Rows(**{f"row{number}": 1 for number in range(50)}), Parsed[str](size=3)
    assert len(parsed.of(rows.versions, rows.load)) == 50


def test_many_threads_may_use_it_at_once():
    rows, parsed = Rows(**{f"row{number}": 1 for number in range(40)}), Parsed[str](size=7)
    wrong: list[dict[str, str]] = []

    def use(start: int) -> None:
        for turn in range(300):
            wanted = {f"row{(start * 7 + turn * 3 + step) % 40}": 1 for step in range(5)}
            found = parsed.of(wanted, rows.load)
            if found != {id_: f"{id_}1" for id_ in wanted}:
                wrong.append(found)

    threads = [threading.Thread(target=use, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
