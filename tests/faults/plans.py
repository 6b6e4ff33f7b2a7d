"""What happens in one life of a system, all of it from one seed."""

from collections import Counter
from dataclasses import dataclass
from random import Random

from tests.faults.points import PROCESSES, fault_points
from tests.faults.riders import seeded

LIVES = 4
"""So many seeds in a row pass every fault point."""
DEATHS_MAX = 5
"""How often `headway up` starts a process again within a minute before it gives up."""
PAYMENT_POINTS = ("before_capture", "after_capture")
NTH_MAX = {"writer": 30, "relay": 12, "consumer": 40, "booking": 12, "tracking": 12, "feed": 1}
"""Fault point's part -> at most the how-manieth passage kills."""
LINGERING_SECONDS = 0.2
RARE = ("booking.before_refund", "booking.after_refund", "relay.read@pricing", "relay.acknowledged@pricing",
        "relay.marked@pricing", "relay.read@tracking", "relay.acknowledged@tracking", "relay.marked@tracking",
        "writer.before_commit@gateway", "writer.after_commit@gateway")  # fmt: skip
"""What few requests pass."""


@dataclass(frozen=True)
class Plan:
    """One life: who works on what, what breaks by itself, and what is broken from outside."""

    seed: int
    bookings: int
    # Entries of HEADWAY_FAULTS.
    faults: tuple[str, ...]
    payment_fault: str
    # Who is killed from outside, in this order.
    kills: tuple[str, ...]
    broker: tuple[str, ...]
    has_links: bool
    is_on_postgresql: bool

    @property
    def deaths(self) -> int:
        """Count the kills that are meant to happen."""
        return sum(":kill:" in entry for entry in self.faults) + bool(self.payment_fault) + len(self.kills)


def slowed(entry: str, chance: Random) -> tuple[str, ...]:
    """Let a process linger before it dies, always before a commit and else now and then.

    Who dies at once takes with him whatever he should not have told anybody yet.
    """
    if entry.startswith("writer.before_commit") or chance.random() < 0.3:
        return (entry.replace(":kill:", f":sleep{LINGERING_SECONDS}:"),)
    return ()


def plan_of(seed: int, *, bookings: int) -> Plan:
    """Throw the dice for a life; each LIVES seeds in a row share out all fault points and all kinds."""
    chance, turn = seeded(seed, "plan"), seed % LIVES
    entries = []
    for place, point in enumerate(sorted(fault_points(), key=lambda one: one.partition("@")[::-1])):
        if place % LIVES == turn:
            last = 1 if point.startswith(RARE) else NTH_MAX[point.partition(".")[0]]
            entries.append(f"{point}:kill:{chance.randint(1, last)}")
    chance.shuffle(entries)
    faults = tuple(one for entry in entries for one in (*slowed(entry, chance), entry))
    dying = Counter(entry.partition("@")[2].partition(":")[0] for entry in entries)
    payment_fault = PAYMENT_POINTS[turn % 2] if turn < 2 else ""
    dying["payments"] = bool(payment_fault)
    dying["nats"] = 1
    # A process that starts while its database is away ends too, and that counts.
    most = {"payments": DEATHS_MAX, "nats": DEATHS_MAX} | dict.fromkeys(PROCESSES, 3 if turn == 3 else DEATHS_MAX)
    kills = [name for name, deaths in most.items() for _ in range(deaths - dying[name])]
    chance.shuffle(kills)
    return Plan(
        seed, bookings, faults, payment_fault, tuple(kills),
        broker=(("robbed", "frozen", "dead", "frozen")[turn],),
        has_links=turn in (2, 3),
        is_on_postgresql=turn == 3,
    )  # fmt: skip
