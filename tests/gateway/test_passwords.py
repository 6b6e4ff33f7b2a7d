"""Hashes of passwords: right, slow for thieves, never in the way of others."""

import asyncio
import time
from collections.abc import Iterator

import pytest

from chassis.errors import Overloaded
from gateway.accounts.passwords import LANES, MEMORY_KIB, PASSES, WAITING_MAX, Passwords


@pytest.fixture(scope="module")
def passwords() -> Iterator[Passwords]:
    found = Passwords()
    yield found
    found.close()


async def test_the_right_password_is_right_and_no_other(passwords: Passwords):
    stored = await passwords.hash("correct horse")
    assert await passwords.is_right("correct horse", stored)
    for wrong in ("correct horse ", "Correct horse", "", "x" * 256):
        assert not await passwords.is_right(wrong, stored)


async def test_a_password_is_the_same_from_any_keyboard(passwords: Passwords):
    assert await passwords.is_right("cafe\u0301 society", await passwords.hash("caf\u00e9 society"))


async def test_the_hash_is_argon2id_with_the_recommended_cost(passwords: Passwords):
    stored = await passwords.hash("correct horse")
    assert stored.startswith(f"$argon2id$v=19$m={MEMORY_KIB},t={PASSES},p={LANES}$")
    assert (MEMORY_KIB >= 19 * 1024, PASSES >= 2) == (True, True)
    assert stored != await passwords.hash("correct horse")


@pytest.mark.parametrize("stored", ["", "x", "$argon2id$", "$2b$12$abc"])
async def test_a_stored_hash_that_cannot_be_read_is_no_hash(passwords: Passwords, stored: str):
    assert not await passwords.is_right("correct horse", stored)


async def test_nobody_has_a_password(passwords: Passwords):
    assert not await passwords.is_right("correct horse", None)


async def test_saying_no_takes_as_long_for_nobody_as_for_somebody(passwords: Passwords):
    stored = await passwords.hash("correct horse")

    async def seconds(against: str | None) -> float:
        began = time.process_time()  # of every thread, and of none that others run
        await passwords.is_right("wrong horse", against)
        return time.process_time() - began

    somebody, nobody = zip(*[(await seconds(stored), await seconds(None)) for _ in range(8)], strict=True)
    assert 0.5 < min(nobody) / min(somebody) < 2


async def test_the_event_loop_goes_on_while_passwords_are_hashed(passwords: Passwords):
    hashing = asyncio.gather(*(passwords.hash("correct horse") for _ in range(8)))
    turns = 0
    while not hashing.done():
        turns += 1
        await asyncio.sleep(0)
    await hashing
    assert turns > 100


async def test_more_than_can_be_hashed_is_refused_at_once(passwords: Passwords):
    waiting = [asyncio.ensure_future(passwords.is_right("wrong", None)) for _ in range(WAITING_MAX + 5)]
    answers = await asyncio.gather(*waiting, return_exceptions=True)
    assert sum(isinstance(answer, Overloaded) for answer in answers) == 5
    assert not await passwords.is_right("wrong", None)
