"""Versions as ETags: answer `services.tagged(booking)`, take `if_match: IfMatch` or `RequiredIfMatch`.

A GET whose If-None-Match names the ETag becomes a 304 in gateway.edge, which also makes ETags of bodies that have none.
"""

import hashlib
import re
from typing import Annotated, Protocol

from fastapi import Depends, Header

from chassis.errors import FieldError, InvalidInput, MissingPrecondition

STRONG_TAG = re.compile(r'"([0-9]{1,18})(?:-[0-9a-f]{12})?"')
ANY_TAG = re.compile(r'(?:W/)?"[!#-~\x80-\xff]*"')
"""https://www.rfc-editor.org/rfc/rfc9110#section-8.8.3"""
NO_VERSION = -1
"""What a tag names that we never gave: no version of anything, so that services find the caller's stale."""


class Versioned(Protocol):
    """A resource as a service tells it."""

    version: int

    def SerializeToString(self, *, deterministic: bool = ...) -> bytes: ...


def etag(resource: Versioned) -> str:
    """Write a resource's version, and a digest of what time alone may change, as a strong entity tag."""
    digest = hashlib.blake2b(resource.SerializeToString(deterministic=True), digest_size=6)
    return f'"{resource.version}-{digest.hexdigest()}"'


def version_of(tag: str) -> int:
    """Read a version back from an entity tag that we gave; any other tag names no version."""
    if found := STRONG_TAG.fullmatch(tag.strip()):
        return int(found[1])
    if not ANY_TAG.fullmatch(tag.strip()):
        raise InvalidInput(errors=[FieldError("/if-match", f"Give one ETag as it was read, for example {EXAMPLE}.")])
    return NO_VERSION


EXAMPLE = '"7-1f9a0c3b5d7e"'
MATCHED = f"The ETag that was read, for example {EXAMPLE}."
REQUIRED = {"x-required": True}
"""Marks a header whose absence we answer ourselves, with a status of its own; gateway.openapi documents it so."""


async def if_match(
    tag: Annotated[str, Header(alias="If-Match", max_length=100, description=MATCHED)] = "",
) -> int | None:
    """Return the version that the caller has read, None when it does not say or names any.

    Versions begin at 1 where it is not required, and to the services 0 is not to say: "0" names none.
    """
    return None if tag.strip() in ("", "*") else version_of(tag) or NO_VERSION


async def required_if_match(
    tag: Annotated[str, Header(alias="If-Match", max_length=100, description=MATCHED, json_schema_extra=REQUIRED)] = "",
) -> int:
    """Return the version that the caller has read; raise MissingPrecondition when it does not say."""
    if tag.strip() == "*":
        raise MissingPrecondition('Name the ETag that was read in If-Match: "*" does not say which version that is.')
    if not tag.strip():
        raise MissingPrecondition
    return version_of(tag)


IfMatch = Annotated[int | None, Depends(if_match)]
RequiredIfMatch = Annotated[int, Depends(required_if_match)]
