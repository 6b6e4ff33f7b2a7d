"""Rows once parsed are kept in memory for as long as their version is the one in the database."""

from collections.abc import Callable, Iterable, Mapping
from threading import Lock
from typing import Generic, TypeVar

T = TypeVar("T")


class Parsed(Generic[T]):
    """The parsed forms of some rows, the longest kept dropped first.

    Every reading compares versions with the database, so that nothing needs to be told of a change, in this process
    or another. Only queries may fill it: what the writer sees could still be rolled back.
    """

    def __init__(self, *, size: int) -> None:
        self._size = size
        self._kept: dict[str, tuple[int, T]] = {}
        self._lock = Lock()

    def of(
        self, versions: Mapping[str, int], load: Callable[[list[str]], Iterable[tuple[str, int, T]]]
    ) -> dict[str, T]:
        """Return things by id; those not kept in the version wanted are loaded."""
        found, missing = {}, []
        for id_, version in versions.items():
            kept = self._kept.get(id_)
            if kept is not None and kept[0] == version:
                found[id_] = kept[1]
            else:
                missing.append(id_)
        if missing:
            for id_, version, thing in load(missing):
                found[id_] = thing
                self._keep(id_, version, thing)
        return found

    def _keep(self, id_: str, version: int, thing: T) -> None:
        with self._lock:
            self._kept.pop(id_, None)
            self._kept[id_] = (version, thing)
            if len(self._kept) > self._size:
                del self._kept[next(iter(self._kept))]
