"""Requests that no honest client sends: random bytes, messages with extreme values, and messages that were damaged."""

import struct
from collections.abc import Callable
from random import Random
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message_factory import GetMessageClass

DEPTH_MAX = 4
TEXTS = (
    "", "a", "demo", "other", "dep_none", "bkg_none", "EUR", "adult", "41.1", "2030-01-10", "é", "\u202eabc", "x" * 300,
    "\x01", "a.b", "*", ">", "../..", "' OR 1=1 --", "%00", "9" * 40, " ",
)  # fmt: skip
NUMBERS = (0, 1, 2, -1, 7, 500, 2**31 - 1, -(2**31), 2**63 - 1, -(2**63), 1_900_000_000)
REALS = (0.0, -0.0, 1.5, 41.1, -8.6, 91.0, -181.0, 1e308, -1e308, 5e-324, float("nan"), float("inf"), float("-inf"))
WHOLE = {
    FieldDescriptor.TYPE_INT32: 32, FieldDescriptor.TYPE_SINT32: 32, FieldDescriptor.TYPE_SFIXED32: 32,
    FieldDescriptor.TYPE_INT64: 64, FieldDescriptor.TYPE_SINT64: 64, FieldDescriptor.TYPE_SFIXED64: 64,
}  # fmt: skip


def request(chance: Random, described: Descriptor) -> bytes:
    """Make up a request for a method that takes this message."""
    how = chance.random()
    if how < 0.15:
        return chance.randbytes(chance.randint(0, 200))
    whole = message(chance, described, depth=0).SerializeToString()
    return whole if how < 0.55 else damaged(chance, whole)


def message(chance: Random, described: Descriptor, *, depth: int) -> Any:
    """Fill a message with what its types allow and nobody means."""
    made = GetMessageClass(described)()
    for field in described.fields:
        if chance.random() < 0.25 or (field.message_type and depth >= DEPTH_MAX):
            continue
        if field.is_repeated:
            count = chance.choice((1, 1, 2, 3, 300)) if depth == 0 else chance.randint(0, 2)
            for _ in range(count):
                add(getattr(made, field.name), field, chance, depth)
        elif field.message_type:
            getattr(made, field.name).CopyFrom(message(chance, field.message_type, depth=depth + 1))
        else:
            setattr(made, field.name, value(chance, field))
    return made


def add(entries: Any, field: FieldDescriptor, chance: Random, depth: int) -> None:
    """Put one more into a repeated field or a map."""
    if field.message_type and field.message_type.GetOptions().map_entry:
        pair = field.message_type.fields_by_name
        entries[value(chance, pair["key"])] = value(chance, pair["value"])
    elif field.message_type:
        entries.add().CopyFrom(message(chance, field.message_type, depth=depth + 1))
    else:
        entries.append(value(chance, field))


def value(chance: Random, field: FieldDescriptor) -> Any:
    """Draw one of the values that a type has and few expect."""
    if bits := WHOLE.get(field.type):
        return max(-(2 ** (bits - 1)), min(2 ** (bits - 1) - 1, chance.choice(NUMBERS)))
    if draw := OTHERS.get(field.type):
        return draw(chance)
    return abs(chance.choice(NUMBERS)) % 2**32


OTHERS: dict[int, Callable[[Random], Any]] = {
    FieldDescriptor.TYPE_STRING: lambda chance: chance.choice(TEXTS),
    FieldDescriptor.TYPE_BYTES: lambda chance: chance.randbytes(chance.choice((0, 1, 40, 2000))),
    FieldDescriptor.TYPE_BOOL: lambda chance: chance.random() < 0.5,
    FieldDescriptor.TYPE_ENUM: lambda chance: chance.choice((0, 1, 2, 99, -1)),
    FieldDescriptor.TYPE_FLOAT: lambda chance: struct.unpack("<f", chance.randbytes(4))[0],
    FieldDescriptor.TYPE_DOUBLE: lambda chance: chance.choice(REALS),
}


def damaged(chance: Random, whole: bytes) -> bytes:
    """Flip, cut, double or insert some bytes."""
    raw = bytearray(whole)
    for _ in range(chance.randint(1, 4)):
        at = chance.randint(0, len(raw))
        how = chance.choice(("flip", "cut", "double", "insert"))
        if how == "flip" and at < len(raw):
            raw[at] ^= 1 << chance.randrange(8)
        elif how == "cut":
            del raw[at : at + chance.choice((1, 2, 50))]
        elif how == "double":
            raw[at:at] = raw[at : at + 20]
        else:
            raw[at:at] = chance.randbytes(chance.randint(1, 8))
    return bytes(raw)
