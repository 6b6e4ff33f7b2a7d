"""Versions as ETags: set `response.headers["ETag"] = etag(booking)`, take `if_match: IfMatch` or `RequiredIfMatch`.

A GET whose If-None-Match names the ETag that a route sets becomes a 304 in gateway.edge; routes do nothing for it.
"""

import hashlib
import re
from typing import Annotated, Protocol

from fastapi import Depends, Header

from chassis.errors import FieldError, InvalidInput, MissingPrecondition

STRONG_TAG = re.compile(r'"([0-9]{1,18})(?:-[0-9a-f]{12})?"')


class Versioned(Protocol):
    """A resource as a service tells it."""

    version: int

    def SerializeToString(self, *, deterministic: bool = ...) -> bytes: ...


def etag(resource: Versioned) -> str:
    """Write a resource's version, and a digest of what time alone may change, as a strong entity tag."""
    digest = hashlib.blake2b(resource.SerializeToString(deterministic=True), digest_size=6)
    return f'"{resource.version}-{digest.hexdigest()}"'


def version_of(tag: str) -> int:
    """Read a version back from an entity tag that we gave."""
    if (found := STRONG_TAG.fullmatch(tag.strip())) is None:
        raise InvalidInput(errors=[FieldError("/if-match", 'Give one ETag as it was read, for example "7".')])
    return int(found[1])


MATCHED = 'The ETag that was read, for example "7".'
REQUIRED = {"x-required": True}
"""Marks a header whose absence we answer ourselves, with a status of its own; gateway.openapi documents it so."""


async def if_match(
    tag: Annotated[str, Header(alias="If-Match", max_length=100, description=MATCHED)] = "",
) -> int | None:
    """Return the version that the caller has read, None when it does not say or names any."""
    return None if tag.strip() in ("", "*") else version_of(tag)


async def required_if_match(
    tag: Annotated[str, Header(alias="If-Match", max_length=100, description=MATCHED, json_schema_extra=REQUIRED)] = "",
) -> int:
    """Return the version that the caller has read; raise MissingPrecondition when it does not say."""
    if tag.strip() in ("", "*"):
        raise MissingPrecondition
    return version_of(tag)


IfMatch = Annotated[int | None, Depends(if_match)]
RequiredIfMatch = Annotated[int, Depends(required_if_match)]
