"""Between protobuf messages and plain values: what every answer is made from, and some of what is asked."""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from typing import Any

from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

Reader = Callable[[Any], Any]


def plain(message: Message) -> dict[str, Any]:
    """Read a message by the names of its fields: words for enums, times for times, None for what is absent."""
    found: dict[str, Any] = {}
    for name, is_optional, read in readers(message.DESCRIPTOR):
        if is_optional and not message.HasField(name):
            found[name] = None
        else:
            value = getattr(message, name)
            found[name] = read(value) if read else value
    return found


@cache
def readers(message: Descriptor) -> list[tuple[str, bool, Reader | None]]:
    """List a message's fields: name, whether it may be absent, what makes a plain value of it."""
    return [
        (field.name, field.has_presence, of_each(field) if field.is_repeated else of_one(field))
        for field in message.fields
    ]


def of_one(field: FieldDescriptor) -> Reader | None:
    """Choose what reads a value of a field; None leaves it as it is."""
    if field.enum_type is not None:
        return words(field.enum_type).__getitem__
    if field.message_type is None:
        return None
    return instant_of if field.message_type.full_name == Timestamp.DESCRIPTOR.full_name else plain


def of_each(field: FieldDescriptor) -> Reader:
    """Choose what reads all values of a field; maps have plain values only."""
    if field.message_type is None or field.message_type.GetOptions().map_entry:
        return dict if field.message_type else list
    return lambda values: [plain(value) for value in values]


@cache
def words(enum: EnumDescriptor) -> dict[int, str]:
    """Write the values of DepartureState as scheduled, boarding, ..., not_coming."""
    prefix = enum.values_by_number[0].name.removesuffix("UNSPECIFIED")
    return {value.number: value.name.removeprefix(prefix).lower() for value in enum.values}


def number_of(enum: EnumDescriptor, word: str) -> Any:
    """Find the value of a word."""
    return next(number for number, known in words(enum).items() if known == word)


def instant_of(message: Timestamp) -> datetime:
    return datetime.fromtimestamp(message.seconds, UTC).replace(microsecond=message.nanos // 1000)


def timestamp_of(instant: datetime | None) -> Timestamp | None:
    if instant is None:
        return None
    message = Timestamp()
    message.FromDatetime(instant)
    return message
