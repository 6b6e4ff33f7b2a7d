"""A lease: one holder at a time, for as long as it renews and a little longer."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from chassis.database import Database, Table, table_of
from chassis.lease import LEASE_SECONDS, LeaseRow, hold_lease
from tests.chassis.shelf import Work


@pytest.fixture
def hold(database_url, clock):
    """Take a lease in a transaction of its own."""
    database = Database(database_url)
    with database.writer.begin() as connection:
        Table.metadata.create_all(connection)

    def hold(holder: str, *, name: str = "relay") -> bool:
        with database.writer.begin() as connection:
            return hold_lease(Work(connection, clock.now()), name=name, holder=holder)

    yield hold
    database.close()


def test_a_lease_has_one_holder(hold):
    assert hold("one")
    assert not hold("two")
    assert hold("one")


def test_leases_of_other_names_are_others(hold):
    assert hold("one")
    assert hold("two", name="tidy")


def test_a_lease_that_is_not_renewed_is_free_when_it_ends(hold, clock):
    assert hold("one")
    clock.advance(LEASE_SECONDS - 0.001)
    assert not hold("two")
    clock.advance(0.001)
    assert hold("two")
    assert not hold("one")


def test_a_lease_that_is_renewed_is_not_free(hold, clock):
    assert hold("one")
    for _ in range(5):
        clock.advance(LEASE_SECONDS - 1)
        assert hold("one")
        assert not hold("two")


def test_of_many_who_ask_at_once_one_gets_it(postgresql_url, clock):
    first = Database(postgresql_url)
    with first.writer.begin() as connection:
        Table.metadata.create_all(connection)

    def ask(holder: str) -> bool:
        database = Database(postgresql_url)
        try:
            with database.writer.begin() as connection:
                return hold_lease(Work(connection, clock.now()), name="relay", holder=holder)
        finally:
            database.close()

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(ask, [f"p{n}" for n in range(24)])) == 1
    with first.reader.connect() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(table_of(LeaseRow))).scalar_one() == 1
    first.close()


def test_without_the_guard_everybody_holds_it(hold, monkeypatch):
    """Show that the tests before this one would notice."""
    monkeypatch.setenv("HEADWAY_FAULTS_OFF", "fencing")
    assert hold("one")
    assert hold("two")
