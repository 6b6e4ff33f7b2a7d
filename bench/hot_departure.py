"""B1 and B2: complete holds a second on one departure, beside the ways in which it is usually done.

A hold is the product's own: `hold_booking` through `Store.write`, with its booking, item, seat mask, counts, two
events, history and stored reply, durable before it is answered, under the rider's cap of holds. 256 callers ask again
as soon as they are answered. After each run the rows are counted: a figure whose rows are wrong is none.
"""

import argparse
import asyncio
import gc
import statistics
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from functools import partial
from importlib import import_module
from typing import Any
from uuid import uuid4

import psycopg
import uvloop

from bench.peers import one_statement, row_locks
from bench.peers.rows import Hold
from bench.report import PAIRS, PAIRS_QUICK, Load, Report, compare, drive, is_installed, packages, pinned, run, skip
from bench.seats import Shop, opened
from chassis.lifecycle import GARBAGE_MIN
from tests.servers import postgres, postgres_binaries

CALLERS = 256
SEATS = 100_000
POOLS = (1, 2, 4, 8, 16)
GROWTH_MAX = 1.5


def measure(options: argparse.Namespace) -> Report:
    """Measure on the database that was asked for, and in another one how cost grows."""
    gc.set_threshold(GARBAGE_MIN)
    size = 1 if options.quick else 4
    compare_on = on_postgresql if options.engine == "postgresql" else on_sqlite
    with running(options.engine) as (shop, url):
        report = compare_on(shop, url, options, size)
    if not options.quick:
        with running(options.engine) as (shop, _):
            report.growth = shop.growth(callers=CALLERS)
    return report


@contextmanager
def running(engine: str) -> Iterator[tuple[Shop, str]]:
    """Open a fresh database; PostgreSQL has one core and we the other, with SQLite everybody has both."""
    with ExitStack() as stack:
        is_apart = engine == "postgresql"
        with pinned(1) if is_apart else nullcontext():
            url = stack.enter_context(server(engine))
        if is_apart:
            stack.enter_context(pinned(0))
        yield stack.enter_context(opened(url)), url


@contextmanager
def server(engine: str) -> Iterator[str]:
    """Start what the database needs."""
    if engine == "sqlite":
        with tempfile.TemporaryDirectory() as folder:
            yield f"sqlite:///{folder}/booking.db"
        return
    binaries = postgres_binaries()
    if binaries is None:
        skip("PostgreSQL is not here: apt-get install postgresql")
    with postgres(binaries) as url:
        yield url


def on_postgresql(shop: Shop, url: str, options: argparse.Namespace, size: int) -> Report:
    """B1: beside a row lock a booking, and beside one statement a booking, each with the pool that suits it best."""
    peers = {"for_update": row_locks.hold, "one_statement": one_statement.hold}
    pools = {name: best_pool(shop, url, hold, 100 * size) for name, hold in peers.items()}
    loads: list[Load] = []
    contenders: dict[str, Callable[[], float]] = {"ours": partial(ours, shop, 3_000 * size, loads)}
    for name, hold in peers.items():
        contenders[name] = partial(peer_on_postgresql, shop, url, hold, pools[name], 400 * size)
    report = compare("B1", "holds/s", contenders, pairs=PAIRS_QUICK if options.quick else PAIRS)
    report.goals = {"B1:for_update": 8.0, "B1:one_statement": 4.0}
    report.conditions |= {"pool_sizes": pools, "callers": CALLERS, "versions": packages(["psycopg", "sqlalchemy"])}
    report.conditions["postgresql"] = shop.scalar("SHOW server_version")
    report.conditions["durable"] = {name: shop.scalar(f"SHOW {name}") for name in ("fsync", "synchronous_commit")}
    return finish(report, shop, loads, options, size)


def on_sqlite(shop: Shop, _url: str, options: argparse.Namespace, size: int) -> Report:
    """B2: beside the same use case with a commit a call, and beside an asyncio program with SQLModel and aiosqlite."""
    loads: list[Load] = []
    contenders: dict[str, Callable[[], float]] = {
        "ours": partial(ours, shop, 3_000 * size, loads),
        "commit_a_call": partial(ours, shop, 500 * size, [], group_max=1),
    }
    if is_installed("aiosqlite"):
        peer = partial(peer_on_sqlite, shop, 150 * size)
        contenders |= {"sqlmodel_aiosqlite": peer, "sqlmodel_aiosqlite_on_one_core": pinned(0)(peer)}
    report = compare("B2", "holds/s", contenders, pairs=PAIRS_QUICK if options.quick else PAIRS)
    report.goals = {"B2:commit_a_call": 5.0, "B2:sqlmodel_aiosqlite": 20.0}
    versions = packages(["pysqlite3", "sqlalchemy", "sqlmodel", "aiosqlite"])
    report.conditions |= {"callers": CALLERS, "versions": versions, "sqlite": shop.scalar("SELECT sqlite_version()")}
    report.conditions["durable"] = {"synchronous": shop.scalar("PRAGMA synchronous")}
    return finish(report, shop, loads, options, size)


def finish(report: Report, shop: Shop, loads: list[Load], options: argparse.Namespace, size: int) -> Report:
    """Add what stands beside: how long callers waited, the bare seat path, a sell-out and how cost grows."""
    waits = {name: round(statistics.median(getattr(load, name) for load in loads), 1) for name in ("p50_ms", "p99_ms")}
    bare = [
        uvloop.run(shop.take_bare_seats(3_000 * size, callers=CALLERS)).rate for _ in range(1 if options.quick else 3)
    ]
    report.beside = {
        "callers_wait": waits,
        "bare_seats_per_second": round(statistics.median(bare)),
        "rules_events_and_replies_alone_per_second": round(statistics.median(shop.decide_alone(2_000) for _ in bare)),
    }
    report.goals |= {"p99_ms_at_most": 50.0} if report.goal == "B1" else {}
    report.checks["no seat was sold twice and every row is there, after each run"] = shop.is_right
    held, refused = uvloop.run(shop.sell_out(seats=300, asked=400, callers=CALLERS))
    report.checks["of 400 who want 300 seats exactly 300 get one"] = (held, refused) == (300, 100)
    return report


def ours(shop: Shop, total: int, loads: list[Load], group_max: int = 256) -> float:
    """Hold by the product, with its objects set aside as a service does when it has started."""
    departure = shop.publish(seats=SEATS)
    gc.collect()
    gc.freeze()
    load = uvloop.run(shop.hold(departure, total, callers=CALLERS, group_max=group_max))
    shop.check(departure, total)
    loads.append(load)
    return load.rate


def best_pool(shop: Shop, url: str, hold: Callable[..., Any], total: int) -> int:
    """Try pools of some sizes and return the one with which a peer is fastest."""
    rates = {pool: peer_on_postgresql(shop, url, hold, pool, total) for pool in POOLS}
    return max(rates, key=lambda pool: rates[pool])


def peer_on_postgresql(shop: Shop, url: str, hold: Callable[..., Any], pool: int, total: int) -> float:
    """Hold by a peer's program on a pool of connections."""

    async def act() -> Load:
        free: asyncio.LifoQueue[psycopg.AsyncConnection[Any]] = asyncio.LifoQueue()
        connections = [await psycopg.AsyncConnection.connect(url, autocommit=True) for _ in range(pool)]
        for connection in connections:
            free.put_nowait(connection)

        async def hold_one(number: int) -> None:
            connection = await free.get()
            try:
                assert await hold(connection, Hold(departure.id, f"usr_{number}", uuid4().hex))
            finally:
                free.put_nowait(connection)

        load = await drive(hold_one, total=total, callers=CALLERS)
        for connection in connections:
            await connection.close()
        return load

    departure = shop.publish(seats=SEATS)
    shop.count_from_zero(departure)
    load = uvloop.run(act())
    shop.check(departure, total, is_ours=False)
    return load.rate


def peer_on_sqlite(shop: Shop, total: int) -> float:
    """Hold by the asyncio program, on a connection of its own to the same file."""
    async_orm = import_module("bench.peers.async_orm")  # not at the top: aiosqlite may be missing

    async def act() -> Load:
        engine = async_orm.open_engine(shop.path)

        async def hold_one(number: int) -> None:
            assert await async_orm.hold(engine, Hold(departure.id, f"usr_{number}", uuid4().hex))

        load = await drive(hold_one, total=total, callers=CALLERS)
        await engine.dispose()
        return load

    departure = shop.publish(seats=SEATS)
    shop.count_from_zero(departure)
    load = uvloop.run(act())
    shop.check(departure, total, is_ours=False)
    return load.rate


if __name__ == "__main__":
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--engine", choices=("sqlite", "postgresql"), default="postgresql")
    run(measure, arguments)
