"""One life of a system from a seed: it is used, it is broken, it recovers, and what is left is judged."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests import servers
from tests.faults.checker import judge
from tests.faults.evidence import Evidence, Outcome
from tests.faults.links import Links
from tests.faults.nemesis import Nemesis
from tests.faults.plans import Plan
from tests.faults.points import PROCESSES, ROOT
from tests.faults.remains import Databases, read_evidence, states
from tests.faults.riders import Client, Market, Rider, seeded, settle
from tests.faults.staff import Device, Operator
from tests.system.running_stack import Stack, running

RIDERS = 24
DEPARTURES, SEATS = 16, 60
RECOVERY_SECONDS = 60.0
STEPPED_CLOCKS = Path(__file__).parent / "clocks"
HASTY = {
    "BOOKING_HOLD_SECONDS": "8",
    "BOOKING_PAYMENT_WAIT_SECONDS": "1",
    "BOOKING_PAYMENT_TIMEOUT_SECONDS": "1.5",
    "BOOKING_PAYMENT_GIVE_UP_SECONDS": "4",
    "PAYMENTS_SLOW_SECONDS": "1",
}
"""So that holds run out and payments are given up within a life."""
LINKS = ("rider>gateway", *(f"gateway>{name}" for name in ("booking", "pricing", "tracking")),
         "booking>payments", "pricing>booking", "tracking>booking",
         *(f"{name}>nats" for name in ("booking", "pricing", "tracking")),
         *(f"{name}>postgresql" for name in PROCESSES))  # fmt: skip


@dataclass
class Verdict:
    """What a life came to."""

    plan: Plan
    violations: list[str]
    # Fault points that killed a process, and what was to happen and did not: points nobody passed, links nobody took.
    hit: set[str] = field(default_factory=set)
    cold: list[str] = field(default_factory=list)
    deaths: Counter[str] = field(default_factory=Counter)
    broken: Counter[str] = field(default_factory=Counter)
    asked: Counter[str] = field(default_factory=Counter)
    states: Counter[str] = field(default_factory=Counter)
    bookings: int = 0
    events: int = 0
    charges: int = 0
    refunds: int = 0
    points_acknowledged: int = 0
    # From the last fault until everything was consistent; from the first booking until then.
    recovery_seconds: float = 0.0
    seconds: float = 0.0


@dataclass
class World:
    """A system and all that happens to it."""

    plan: Plan
    stack: Stack
    databases: Databases
    links: Links | None
    server: servers.PostgresServer | None
    happened: Path
    clocks: Path
    opened: ExitStack
    settings: Mapping[str, str]

    @property
    def url(self) -> str:
        if self.links is None:
            return self.stack.url
        return f"http://127.0.0.1:{self.links.by_name['rider>gateway'].port}"


Break = Callable[["World", Market], Awaitable[None]]
"""Breaks a world while it is used; what is broken when this is over stays so."""


async def live(plan: Plan, folder: Path, *, breaks: Break | None = None, arguments: Sequence[str] = ()) -> Verdict:
    """Live one life in a folder of its own; something else than the plan's nemesis may break it."""
    began = time.monotonic()
    async with world_of(plan, folder, arguments) as world:
        market = Market(plan.bookings)
        nemesis = Nemesis(
            plan, world.stack, market, seeded(plan.seed, "nemesis"),
            clocks=world.clocks, links=world.links, database=world.server,
        )  # fmt: skip
        breaking = nemesis.run() if breaks is None else breaks(world, market)
        device = await use(world, market, breaking)
        quiet_since = time.monotonic()
        await settle(market, seeded(plan.seed, "settle"))
        evidence, violations = await recovered(world, market, device)
        verdict = verdict_of(plan, evidence, violations)
        verdict.recovery_seconds = round(time.monotonic() - quiet_since, 1)
        verdict.hit = hit_points(plan, world)
        verdict.cold = sorted(planned_points(plan) - verdict.hit) + untaken_links(world)
        verdict.deaths, verdict.broken = nemesis.deaths(), nemesis.done
        verdict.seconds = round(time.monotonic() - began, 1)
    return verdict


async def use(world: World, market: Market, nemesis: Coroutine[Any, Any, None]) -> Device:
    """Let everybody do what they do while the nemesis does what it does."""
    seed = world.plan.seed
    async with clients(world.url, seed, market) as client:
        operator = Operator(client("operator"), seeded(seed, "operator"))
        await operator.sign_in(world.stack.ready["admin"])
        await operator.open_market(market, departures=DEPARTURES, seats=SEATS)
        device = Device(client("device"), market, *await operator.register_vehicle())
        riders = [
            Rider(client("rider", number), seeded(seed, "dice", number), market, name=f"Rider {number}")
            for number in range(RIDERS)
        ]
        breaking = asyncio.create_task(nemesis)
        async with asyncio.TaskGroup() as group:
            for work in (operator.change_things(), device.drive(), *(rider.ride() for rider in riders)):
                group.create_task(work)
        await breaking
        if world.links is not None:
            world.links.heal()
        for clock in world.clocks.iterdir():
            clock.unlink()
        await settle(market, seeded(seed, "settle"))
    return device


@asynccontextmanager
async def clients(url: str, seed: int, market: Market) -> AsyncIterator[Any]:
    """Make clients, and close them all."""
    made: list[Client] = []

    def client(*names: object) -> Client:
        made.append(Client(url, seeded(seed, "client", *names), market))
        return made[-1]

    try:
        yield client
    finally:
        for one in made:
            await one.close()


async def recovered(world: World, market: Market, device: Device) -> tuple[Evidence, list[str]]:
    """Wait until nothing is left to be done and nothing is wrong; give up after a minute, and say what was wrong."""
    end = time.monotonic() + RECOVERY_SECONDS
    while True:
        is_late = time.monotonic() > end
        if is_late or not any(world.databases.unfinished().values()):
            evidence = await read_evidence(world.stack, world.databases, market, device)
            violations = judge(evidence)
            if is_late or not violations:
                return evidence, violations
        await asyncio.sleep(0.5)


@asynccontextmanager
async def world_of(plan: Plan, folder: Path, more: Sequence[str] = ()) -> AsyncIterator[World]:
    """Start what a plan asks for."""
    happened, clocks = folder / "happened", folder / "clocks"
    happened.mkdir()
    clocks.mkdir()
    environment = HASTY | {"HEADWAY_FAULTS": ",".join(plan.faults), "HEADWAY_FAULTS_DIR": str(happened)}
    environment |= {"HEADWAY_TEST_CLOCKS": str(clocks), "PYTHONPATH": f"{STEPPED_CLOCKS}:{ROOT}:{ROOT / 'proto/gen'}"}
    if plan.payment_fault:
        environment["PAYMENTS_FAULT"] = plan.payment_fault
    with ExitStack() as opened:
        server = opened.enter_context(database_of(plan))
        template = f"{server.url.rpartition('/')[0]}/headway_{{service}}" if server else ""
        arguments = [*more, *(["--database-url-template", template] if template else [])]
        links, module = None, "cli"
        if plan.has_links:
            links, module = Links(LINKS, folder / "data"), "tests.faults.linked_up"
            environment |= links.environment()
            environment["HEADWAY_TEST_POSTGRESQL_PORT"] = str(server.port if server else 0)
            await links.start()
        starting = running(folder / "data", *arguments, environment=environment, module=module)
        try:
            stack = await asyncio.to_thread(starting.__enter__)
            opened.push(starting.__exit__)
            databases = Databases(stack, template)
            yield World(plan, stack, databases, links, server, happened, clocks, opened, environment)
        finally:
            if links is not None:
                await links.close()


@contextmanager
def database_of(plan: Plan) -> Iterator[servers.PostgresServer | None]:
    """Start PostgreSQL if a life is on it; where there is none, it is on SQLite."""
    binaries = servers.postgres_binaries() if plan.is_on_postgresql else None
    if binaries is None:
        yield None
        return
    with servers.postgres_server(binaries) as server:
        yield server


def verdict_of(plan: Plan, evidence: Evidence, violations: list[str]) -> Verdict:
    """Count what a life came to."""
    return Verdict(
        plan,
        violations,
        asked=Counter(f"{asked.operation} {asked.outcome}" for asked in evidence.log),
        states=states(evidence),
        bookings=sum(asked.operation == "hold" and asked.outcome is Outcome.OK for asked in evidence.log),
        events=sum(map(len, evidence.streams.values())),
        charges=len(evidence.charged),
        refunds=len(evidence.refunded),
        points_acknowledged=sum(device.acknowledged for device in evidence.points),
    )


def planned_points(plan: Plan) -> set[str]:
    """List the fault points that are to kill somebody."""
    found = {entry.partition(":")[0] for entry in plan.faults}
    return found | ({f"{plan.payment_fault}@payments"} if plan.payment_fault else set())


def untaken_links(world: World) -> list[str]:
    """List the links that nobody came by, so that nothing was broken there."""
    links = world.links.by_name if world.links is not None else {}
    return [
        name
        for name, link in links.items()
        if not link.taken and (world.server is not None or not name.endswith(">postgresql"))
    ]


def hit_points(plan: Plan, world: World) -> set[str]:
    """List the fault points that have killed somebody."""
    kills = (entry for entry in plan.faults if ":kill:" in entry)
    hit = {entry.partition(":")[0] for entry in kills if (world.happened / entry.replace(":", "-")).exists()}
    if any(world.stack.folder.glob(f"payments.sqlite.{plan.payment_fault or 'none'}*")):
        hit.add(f"{plan.payment_fault}@payments")
    return hit
