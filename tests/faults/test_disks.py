"""The disk is full, or loses its power, while riders book: what was acknowledged is there, and it goes on by itself."""

import asyncio
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import replace
from pathlib import Path
from random import Random
from subprocess import CalledProcessError

import pytest

from tests.faults.disks import Ballast, MortalDisk, can_mount, mortal_disk, small_disk
from tests.faults.lives import World, live
from tests.faults.nemesis import waited
from tests.faults.replay import told
from tests.faults.riders import Market
from tests.faults.test_guards import calm
from tests.servers import PostgresServer, free_port, postgres_account, postgres_binaries, temporary_folder
from tests.system.deadlines import until
from tests.system.running_stack import running

pytestmark = pytest.mark.skipif(not can_mount(), reason="NOT TESTED: only root can mount disks")

FULL_SECONDS = 5.0
CUTS = 20


async def test_a_full_disk_loses_nothing_and_needs_nobody_afterwards(
    seed: int, tmp_path: Path, keep_figures: Callable[..., None]
) -> None:
    async def breaks(world: World, market: Market) -> None:
        await waited(lambda: market.progress > 0.3, seconds=60)
        ballast = Ballast(world.stack.folder)
        ballast.fill()
        held = market.held
        await asyncio.sleep(FULL_SECONDS)
        sold_meanwhile.append(market.held - held)
        ballast.drop()

    sold_meanwhile: list[int] = []
    with small_disk(tmp_path / "data", mebibytes=256):
        verdict = await live(replace(calm(seed), bookings=400), tmp_path, breaks=breaks)
    print(told(verdict), sold_meanwhile)
    assert verdict.violations == [], told(verdict)
    keep_figures("full-disk", bookings=verdict.bookings, recovery_seconds=verdict.recovery_seconds)


@pytest.mark.release
@pytest.mark.parametrize("number", range(CUTS))
async def test_a_power_cut_loses_nothing_that_was_acknowledged(
    number: int, seed: int, tmp_path: Path, keep_figures: Callable[..., None]
) -> None:
    """All databases, the broker's streams and the provider's ledger are on the disk that stops."""
    place, gateway = tmp_path / "data", ("--gateway-port", str(free_port()))
    chance = Random(seed + number)

    async def breaks(world: World, market: Market) -> None:
        await cut_while_riders_book(disk, market, chance)
        await asyncio.to_thread(restart, world)

    def restart(world: World) -> None:
        # Its children die with it; a disk is let go only by the dead.
        world.stack.process.kill()
        world.stack.process.wait()
        bring_back(disk)
        (place / "ready.json").unlink(missing_ok=True)
        world.stack = world.opened.enter_context(running(place, *gateway, environment=world.settings))

    with mortal_disk(tmp_path, place, mebibytes=512) as disk:
        plan = replace(calm(seed + number), bookings=300)
        verdict = await live(plan, tmp_path, breaks=breaks, arguments=gateway)
    print(told(verdict))
    assert verdict.violations == [], told(verdict)
    keep_figures(f"power-cut-{number:02}", bookings=verdict.bookings, recovery_seconds=verdict.recovery_seconds)


async def cut_while_riders_book(disk: MortalDisk, market: Market, chance: Random) -> None:
    """Cut a disk's power some time on the way; who writes to it notices a moment before it is dead."""
    share = chance.uniform(0.1, 0.9)
    await waited(lambda: market.progress > share, seconds=60)
    disk.cut()
    await asyncio.sleep(chance.uniform(0, 0.5))


def bring_back(disk: MortalDisk) -> None:
    """Give a disk its power again, once all who had it open are dead."""

    def is_free() -> bool:
        with suppress(CalledProcessError):
            disk.unmount()
            return True
        return False

    until(is_free, seconds=20, what="the dead let the disk go")
    disk.mount()


@contextmanager
def postgresql_on(disk: MortalDisk) -> Iterator[PostgresServer]:
    """Run PostgreSQL on a disk whose power may be cut, once it stands there."""
    binaries, account = postgres_binaries(), postgres_account()
    if binaries is None or account is None:
        pytest.skip("NOT TESTED: PostgreSQL is not here")
    shutil.chown(disk.place, account)
    server = PostgresServer(binaries, disk.place, account)
    os.sync()
    try:
        yield server
    finally:
        server.stop()


@pytest.mark.release
@pytest.mark.parametrize("number", range(CUTS))
async def test_a_power_cut_of_postgresql_loses_nothing_that_was_acknowledged(
    number: int, seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keep_figures: Callable[..., None]
) -> None:
    """The databases of all services stop at once; the services themselves go on."""
    chance = Random(seed + number)

    async def breaks(_world: World, market: Market) -> None:
        await cut_while_riders_book(disk, market, chance)
        await asyncio.to_thread(server.kill)
        await asyncio.to_thread(bring_back, disk)
        await asyncio.to_thread(server.start_again)

    with (
        temporary_folder("power", owner=postgres_account()) as folder,
        mortal_disk(tmp_path, folder / "disk", mebibytes=512) as disk,
        postgresql_on(disk) as server,
    ):
        monkeypatch.setattr("tests.faults.lives.database_of", lambda _plan: nullcontext(server))
        plan = replace(calm(seed + number), bookings=300, is_on_postgresql=True)
        verdict = await live(plan, tmp_path, breaks=breaks)
    print(told(verdict))
    assert verdict.violations == [], told(verdict)
    keep_figures(f"postgresql-cut-{number:02}", bookings=verdict.bookings, recovery_seconds=verdict.recovery_seconds)
