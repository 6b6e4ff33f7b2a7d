"""Vehicles as booking's events tell of them."""

from dataclasses import replace

import pytest

from chassis.errors import InvalidInput
from chassis.store import Store
from tests.tracking_svc.fleet import FERRY, commit
from tracking_svc.store.work import Work
from tracking_svc.use_cases.record_vehicle import record_vehicle


def known(store: Store[Work]) -> object:
    with store.database.reader.begin() as connection:
        return store._open_work(connection, store._clock.now()).vehicles.get(FERRY.id)


def test_a_newer_version_replaces_an_older_one(store: Store[Work]):
    newer = replace(FERRY, label="Ferry II", operator_id="opr_lake", version=3)
    commit(store, record_vehicle, vehicle=newer)
    assert known(store) == newer


@pytest.mark.parametrize("version", [0, 1])
def test_an_event_that_comes_late_or_again_changes_nothing(store: Store[Work], version: int):
    commit(store, record_vehicle, vehicle=replace(FERRY, label="Old", version=version))
    assert known(store) == FERRY


@pytest.mark.parametrize("missing", [{"id": ""}, {"operator_id": ""}])
def test_a_vehicle_without_a_name_or_an_owner_is_refused(store: Store[Work], missing: dict[str, str]):
    with pytest.raises(InvalidInput):
        commit(store, record_vehicle, vehicle=replace(FERRY, version=9, **missing))
    assert known(store) == FERRY
