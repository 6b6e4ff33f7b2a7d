"""Live the life of a seed again: python -m tests.faults.replay SEED [BOOKINGS]."""

import asyncio
import sys
import tempfile
from pathlib import Path

from tests.faults.lives import Verdict, live
from tests.faults.plans import plan_of

BOOKINGS = 1250


def told(verdict: Verdict) -> str:
    """Say what a life came to, and how to live it again."""
    plan = verdict.plan
    kind = f"{'PostgreSQL' if plan.is_on_postgresql else 'SQLite'}{', with links' if plan.has_links else ''}"
    lines = [
        f"seed {plan.seed} ({kind}): {verdict.bookings} bookings, {verdict.deaths.total()} kills"
        f" {dict(verdict.deaths)}, {dict(verdict.broken)}, {verdict.events} events, {verdict.charges} charges,"
        f" {verdict.refunds} refunds, {verdict.points_acknowledged} points; {dict(verdict.states)};"
        f" {dict(verdict.asked)}; consistent {verdict.recovery_seconds} s after the last fault; {verdict.seconds} s",
        *(f"COLD {one}" for one in verdict.cold),
        *verdict.violations,
        f"again: python -m tests.faults.replay {plan.seed} {plan.bookings}",
    ]
    return "\n".join(lines)


def main(seed: int, bookings: int = BOOKINGS) -> int:
    folder = Path(tempfile.mkdtemp(prefix=f"headway-life-{seed}-"))
    print(f"What it leaves is in {folder}")
    verdict = asyncio.run(live(plan_of(seed, bookings=bookings), folder))
    print(told(verdict))
    return 1 if verdict.violations or verdict.cold else 0


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
