"""Says what to do about a value that validation refused, in plain sentences instead of the validator's own words."""

from collections.abc import Mapping
from typing import Any

from gateway.schemas.shapes import (
    BOX_PATTERN,
    CURRENCY_PATTERN,
    EMAIL_PATTERN,
    ID_PATTERN,
    OPERATOR_PATTERN,
    PLACE_PATTERN,
    PRINTABLE,
    WITHOUT_NUL,
)

DETAIL_CHARS_MAX = 500
OTHERWISE = "Give what the documentation of this operation shows here."
WHOLE_NUMBER = "Give a whole number, in digits."
NUMBER = "Give a number."
TRUE_OR_FALSE = "Give true or false."
OBJECT = "Give an object, in curly brackets."
LIST = "Give a list, in square brackets."
DATE = "Give a date, for example 2030-06-01."
TIME = "Give a time with its zone as RFC 3339 text, for example 2030-06-01T08:00:00Z."

SENTENCES: Mapping[str, str] = {
    "missing": "Give this: it is required.",
    "extra_forbidden": "Leave this out, or mend its name: there is no such field here.",
    "none_required": "Leave this out.",
    "string_type": "Give text, in quotes.",
    "string_unicode": "Give text in UTF-8.",
    "string_too_long": "Write at most {max_length} characters.",
    "literal_error": "Choose {expected}.",
    "enum": "Choose {expected}.",
    "greater_than": "Give more than {gt}.",
    "greater_than_equal": "Give at least {ge}.",
    "less_than": "Give less than {lt}.",
    "less_than_equal": "Give at most {le}.",
    "int_type": WHOLE_NUMBER,
    "int_parsing": WHOLE_NUMBER,
    "int_parsing_size": WHOLE_NUMBER,
    "int_from_float": WHOLE_NUMBER,
    "float_type": NUMBER,
    "float_parsing": NUMBER,
    "finite_number": NUMBER,
    "bool_type": TRUE_OR_FALSE,
    "bool_parsing": TRUE_OR_FALSE,
    "list_type": LIST,
    "dict_type": OBJECT,
    "model_type": OBJECT,
    "model_attributes_type": OBJECT,
    "date_type": DATE,
    "date_parsing": DATE,
    "date_from_datetime_parsing": DATE,
    "date_from_datetime_inexact": DATE,
    "datetime_type": TIME,
    "datetime_parsing": TIME,
    "datetime_from_date_parsing": TIME,
    "datetime_object_invalid": TIME,
    "timezone_aware": TIME,
}
"""pydantic's type of an error -> what to do, with the bounds that its ctx names.

https://docs.pydantic.dev/latest/errors/validation_errors/
"""

FORMS: Mapping[str, str] = {
    ID_PATTERN: "Give an identifier: 1 to 128 letters, digits and _ . : ~ - without spaces.",
    EMAIL_PATTERN: "Give an e-mail address, for example ada@example.com.",
    OPERATOR_PATTERN: 'Give an operator\'s identifier, for example demo, or "*" for every operator.',
    CURRENCY_PATTERN: "Give the three capital letters of a currency, for example EUR.",
    PLACE_PATTERN: "Give latitude and longitude in degrees, for example 41.1496,-8.6109.",
    BOX_PATTERN: "Give west,south,east,north in degrees, for example 9,53,11,55.",
    PRINTABLE: "Leave control characters out.",
    WITHOUT_NUL: "Leave the zero character out.",
}
"""The pattern that text does not have -> what to write."""


def guidance(error: Mapping[str, Any]) -> str:
    """Turn one error of validation into a sentence; what the caller sent is never repeated."""
    kind, facts = str(error["type"]), error.get("ctx") or {}
    match kind:
        case "value_error" if "error" in facts:  # in our own words already
            sentence = f"{facts['error']}".removesuffix(".") + "."
        case "string_pattern_mismatch":
            sentence = FORMS.get(facts["pattern"], OTHERWISE)
        case "string_too_short":
            sentence = at_least(facts["min_length"], "character", otherwise="Write something: this must not be empty.")
        case "too_short":
            sentence = at_least(facts["min_length"], "item", otherwise="Give at least one item.")
        case "too_long":
            sentence = f"Give at most {facts['max_length']} items." if facts["max_length"] else "Leave this list empty."
        case _:
            sentence = SENTENCES.get(kind, OTHERWISE).format_map(facts)
    return sentence[:DETAIL_CHARS_MAX]


def at_least(number: int, thing: str, *, otherwise: str) -> str:
    """Ask for a number of things, in other words where it is one."""
    return f"Give at least {number} {thing}s." if number > 1 else otherwise
