"""Waiting that ends: until something is so, or until a time that was told."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeVar

T = TypeVar("T")

POLL_SECONDS = 0.05


def until(look: Callable[[], T], *, seconds: float, what: str) -> T:
    """Look again and again, and return the first thing found that is not nothing."""
    end = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < end, f"not within {seconds} s: {what}"
        time.sleep(POLL_SECONDS)
    return found


def after(told: str) -> None:
    """Wait until a time that the system has told is past."""
    end = datetime.fromisoformat(told)
    until(lambda: datetime.now(UTC) > end, seconds=60, what=told)
