"""What may stand in a cell. Each function returns the value or raises BadValue with advice."""

import math
import re
from collections.abc import Container
from contextlib import suppress
from datetime import date
from functools import cache, lru_cache
from zoneinfo import available_timezones

from booking_svc.gtfs.problems import BadValue, Row, shown

ID_MAX = 200
TEXT_MAX = 200
UNITS_MAX = 1e9
DAYS_AFTER_START_MAX = 7
FIRST_DAY, LAST_DAY = date(1970, 1, 1), date(2199, 12, 31)
TIME = re.compile(r"(\d{1,3}):([0-5]\d):([0-5]\d)", re.ASCII)
DAY = re.compile(r"\d{8}", re.ASCII)
WHOLE = re.compile(r"\d{1,9}", re.ASCII)
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?", re.ASCII)


def identifier(field: str, text: str, *, most: int = ID_MAX) -> str:
    if 1 <= len(text) <= most and text.isprintable():
        return text
    raise BadValue(field, f"Give an identifier of 1 to {most} printable characters, not {shown(text)}.")


def new_identifier(field: str, text: str, seen: set[str]) -> None:
    """Expect an identifier that was not seen before."""
    if identifier(field, text) in seen:
        raise BadValue(field, f"{shown(text)} stands twice: give each {noun(field)} an identifier of its own.")
    seen.add(text)


def known(field: str, text: str, among: Container[str]) -> str:
    """Expect an identifier of something that is there, and was not left out because something is wrong with it."""
    if text in among:
        return text
    raise BadValue(field, f"No usable {noun(field)} has the identifier {shown(text)}: add it or mend it.")


def noun(field: str) -> str:
    return field.partition("_")[0]


def words(row: Row, field: str, text: str) -> str:
    """Return a text for people on one line; what cannot be shown or is too long is left out, and told."""
    if text.isprintable() and len(text) <= TEXT_MAX:
        return text
    clean = " ".join("".join(one if one.isprintable() else " " for one in text).split())[:TEXT_MAX]
    row.warn(field, f"Is read as {shown(clean)}: give at most {TEXT_MAX} printable characters on one line.")
    return clean


@lru_cache(maxsize=100_000)
def seconds(field: str, text: str) -> int:
    """Read H:MM:SS after the zero of the service day; hours may pass 24, not seven days."""
    found = TIME.fullmatch(text)
    if found and (hours := int(found[1])) < DAYS_AFTER_START_MAX * 24:
        return hours * 3600 + int(found[2]) * 60 + int(found[3])
    raise BadValue(field, f"Give a time such as 08:05:00 or 25:10:00 (after midnight), not {shown(text)}.")


def day(field: str, text: str) -> date:
    with suppress(ValueError):
        if DAY.fullmatch(text) and FIRST_DAY <= (read := date.fromisoformat(text)) <= LAST_DAY:
            return read
    raise BadValue(field, f"Give a date as YYYYMMDD from {FIRST_DAY:%Y%m%d} to {LAST_DAY:%Y%m%d}, not {shown(text)}.")


@lru_cache(maxsize=10_000)
def whole(field: str, text: str, *, least: int = 0, most: int = 999_999_999) -> int:
    if WHOLE.fullmatch(text) and least <= (read := int(text)) <= most:
        return read
    raise BadValue(field, f"Give a whole number from {least} to {most}, not {shown(text)}.")


def number(field: str, text: str, *, least: float, most: float) -> float:
    if NUMBER.fullmatch(text) and math.isfinite(read := float(text)) and least <= read <= most:
        return read
    raise BadValue(field, f"Give a number from {least:g} to {most:g}, not {shown(text)}.")


def zone(field: str, text: str) -> str:
    if text in zones():
        return text
    raise BadValue(field, f"Give an IANA zone of time, for example Europe/Lisbon, not {shown(text)}.")


@cache
def zones() -> set[str]:
    """Read the names of all zones, once."""
    return available_timezones()
