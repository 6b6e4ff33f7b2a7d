"""Each guard is switched off once, and the tests that stand for it fail with their own words.

The guards are read from the code: a new one that has no test here fails. That the tests pass with the guards on is
`make test`.
"""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.faults.lives import live
from tests.faults.plans import Plan, plan_of
from tests.faults.points import ROOT, guards


@dataclass(frozen=True)
class Control:
    """A test, and what it says when its guard is off."""

    file: str
    test: str
    says: str


IDEMPOTENCY, CONTENTION = "booking_svc/test_idempotency.py", "booking_svc/test_contention.py"
FAILURES, DATABASE = "booking_svc/test_failures.py", "chassis/test_database.py"
CONTROLS: dict[str, tuple[Control, ...]] = {
    "begin_immediate": (
        Control(
            DATABASE, "test_transactions_that_take_their_lock_at_the_beginning_sell_ten_seats_to_thirty",
            r"assert \(\d+, \[.*\]\) == \(10, \[\]\)",
        ),
    ),
    "fencing": (Control("chassis/test_lease.py", "test_a_lease_has_one_holder", r"assert not True"),),
    "inbox": (
        Control(
            "chassis/test_inbox.py", "test_a_message_delivered_fifty_times_has_one_effect",
            r"assert \['a', 'a', .*\] == \['a', None, ",
        ),
    ),
    "once": (
        Control("chassis/test_replies.py", "test_fifty_at_once_have_one_effect_and_one_reply", r'value: "2"'),
        Control(IDEMPOTENCY, "test_the_same_key_at_once_has_one_effect", r"assert 10 == 1"),
    ),
    "outbox": (
        Control(
            "booking_svc/test_hold_booking.py",
            "test_holding_is_told_to_each_departure_with_its_own_items_and_no_name", r"assert \[\] == \[\('bkg_",
        ),
    ),
    "owner_predicate": (
        Control(
            FAILURES, "test_a_foreign_booking_is_as_absent_as_none_on_every_call", r"this was not refused but answered"
        ),
    ),
    "quote_signature": (
        Control(FAILURES, "test_a_quote_that_pricing_did_not_sign_holds_nothing", r"this was not refused but answered"),
    ),
    "seat_lock": (
        Control(CONTENTION, "test_who_waits_for_a_seat_sees_that_it_is_taken", r"DID NOT RAISE SeatTaken"),
        Control(CONTENTION, "test_a_seat_is_not_taken_by_a_stale_read", r"DID NOT RAISE LostRace"),
    ),
    "sync": (
        Control(DATABASE, "test_every_sqlite_connection_is_durable_and_logs_ahead", r"'synchronous': 0"),
    ),
}  # fmt: skip
"""Guard -> what notices that it is off."""


def test_every_guard_in_the_code_has_a_control(keep_figures: Callable[..., None]) -> None:
    assert sorted(CONTROLS) == guards()
    keep_figures("guards", guards=guards(), controls=sum(map(len, CONTROLS.values())))


@pytest.mark.parametrize("guard", CONTROLS)
def test_the_tests_notice_that_a_guard_is_off(guard: str) -> None:
    nodes = [f"tests/{control.file}::{control.test}" for control in CONTROLS[guard]]
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--tb=short", "-q", *nodes]
    environment = os.environ | {"HEADWAY_FAULTS_OFF": guard, "PYTHONPATH": f"{ROOT}:{ROOT / 'proto/gen'}"}
    ran = subprocess.run(command, check=False, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120)
    assert ran.returncode == 1, ran.stdout
    assert " error" not in ran.stdout.splitlines()[-1], ran.stdout
    for control in CONTROLS[guard]:
        assert re.search(rf"FAILED .*::{control.test}", ran.stdout), ran.stdout
        assert re.search(control.says, ran.stdout), ran.stdout


def calm(seed: int) -> Plan:
    """A life in which nothing is broken."""
    return replace(
        plan_of(seed, bookings=100), faults=(), payment_fault="", kills=(), broker=(), has_links=False,
        is_on_postgresql=False,
    )  # fmt: skip


async def test_the_checker_of_a_whole_life_notices_that_keys_are_forgotten(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEADWAY_FAULTS_OFF", "once")
    monkeypatch.setattr("tests.faults.lives.RECOVERY_SECONDS", 10.0)
    verdict = await live(calm(seed), tmp_path)
    broken = {sentence.partition(":")[0] for sentence in verdict.violations}
    assert {"a_key_has_one_answer", "nothing_is_there_that_nobody_asked_for"} <= broken, verdict.violations
