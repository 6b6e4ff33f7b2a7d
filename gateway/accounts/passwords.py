"""Argon2id hashes of passwords, made on threads of their own so that no request waits for another's."""

import asyncio
import secrets
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

from chassis.errors import Overloaded

T = TypeVar("T")

THREADS = 2
WAITING_MAX = 64
MEMORY_KIB, PASSES, LANES = 19 * 1024, 2, 1
"""https://cheatsheetseries.owasp.org/cheatsheets/Password_Storage_Cheat_Sheet.html#argon2id"""


class Passwords:
    """Hashes and checks a few passwords at a time and refuses more than it can."""

    def __init__(self) -> None:
        self._hasher = PasswordHasher(time_cost=PASSES, memory_cost=MEMORY_KIB, parallelism=LANES)
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="passwords")
        self._waiting = 0
        self._nobodys = self._hasher.hash(secrets.token_urlsafe(16))

    async def hash(self, password: str) -> str:
        return await self._run(lambda: self._hasher.hash(normal(password)))

    async def is_right(self, password: str, stored: str | None) -> bool:
        """Check a password; where there is none to check against it takes as long to say no."""
        return await self._run(lambda: self._is_right(password, stored or self._nobodys)) and stored is not None

    def close(self) -> None:
        self._threads.shutdown()

    def _is_right(self, password: str, stored: str) -> bool:
        try:
            return self._hasher.verify(stored, normal(password))
        except (Argon2Error, InvalidHashError):
            return False

    async def _run(self, work: Callable[[], T]) -> T:
        if self._waiting >= WAITING_MAX:
            raise Overloaded
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        finally:
            self._waiting -= 1


def normal(password: str) -> str:
    """Write a password alike whichever keyboard it was typed on (NIST SP 800-63B, 3.1.1.2)."""
    return unicodedata.normalize("NFKC", password)
