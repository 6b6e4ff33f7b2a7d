"""How full a departure is follows the newest that was told."""

from datetime import timedelta
from itertools import permutations

import pytest

from chassis.store import Store
from pricing_svc.domain.departure import Availability
from pricing_svc.store.work import Work
from pricing_svc.use_cases.keep_availability import keep_availability
from tests.pricing_svc.network import START
from tests.pricing_svc.service import ask, commit


def availability(version: int, id_: str = "dep_1") -> Availability:
    return Availability(id_, 50, (50 - version, 50, 49), version, START + timedelta(microseconds=version))


@pytest.mark.parametrize("order", list(permutations([1, 2, 3])))
def test_only_the_newest_version_stays(store: Store[Work], order: tuple[int, ...]):
    for version in order:
        commit(store, keep_availability, availability=availability(version))
    assert ask(store, lambda work: work.availabilities.find("dep_1")) == availability(3)


def test_departures_are_kept_apart(store: Store[Work]):
    commit(store, keep_availability, availability=availability(1))
    commit(store, keep_availability, availability=availability(1, "dep_2"))
    assert ask(store, lambda work: work.availabilities.find("dep_2")) == availability(1, "dep_2")
    assert ask(store, lambda work: work.availabilities.find("dep_3")) is None
