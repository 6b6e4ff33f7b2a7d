"""Identifiers that sort by time of birth and say what they name."""

import hashlib
import os
import time

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
"""Crockford's base 32: no letter is mistaken for a digit. https://www.crockford.com/base32.html"""

PAIRS = [first + second for first in ALPHABET for second in ALPHABET]
"""Every two digits, for writing two at a time."""


def new_id(prefix: str) -> str:
    """Make an identifier such as bkg_01jd..., of 48 bits of milliseconds and 80 random ones."""
    number = (time.time_ns() // 1_000_000) << 80 | int.from_bytes(os.urandom(10))
    return f"{prefix}_{encode(number, 26)}"


def stable_id(prefix: str, *parts: str) -> str:
    """Make the same identifier for the same parts, whenever and wherever."""
    digest = hashlib.sha256("\x1f".join(parts).encode()).digest()
    return f"{prefix}_{encode(int.from_bytes(digest[:15]), 24)}"


def encode(number: int, length: int) -> str:
    """Write a number in base 32, most significant digit first; the length is even."""
    return "".join([PAIRS[number >> place & 1023] for place in range(5 * length - 10, -1, -10)])
