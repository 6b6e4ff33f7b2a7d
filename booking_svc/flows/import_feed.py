"""Take in a feed as it is sent."""

import hashlib
from collections.abc import AsyncIterator, Callable
from typing import Any

from booking_svc.domain.feed_import import Feed, FeedOptions
from booking_svc.store.work import Work
from booking_svc.use_cases.receive_feed import (
    CONTENT_BYTES_MAX,
    add_feed_content,
    begin_import,
    drop_feed_content,
    receive_feed,
)
from chassis.access import Caller
from chassis.errors import InvalidInput
from chassis.ids import stable_id
from chassis.replies import Once
from chassis.store import Store

ZIP_BEGINS = b"PK"


class FeedRejected(InvalidInput):
    reason = "FEED_REJECTED"
    detail = "This is not a GTFS feed: send a zip of its files."

    def __init__(self, detail: str | None = None) -> None:
        reason = detail or type(self).detail
        problem = {"file": "", "line": 0, "field": "", "reason": reason, "severity": "error"}
        super().__init__(reason, problems=[problem])


class FeedTooLarge(FeedRejected):
    reason = "BODY_TOO_LARGE"
    detail = f"A feed's zip may have {CONTENT_BYTES_MAX // 1024 // 1024} MiB."


async def import_feed(
    store: Store[Work],
    *,
    caller: Caller,
    options: FeedOptions,
    pieces: AsyncIterator[bytes],
    key: Callable[[bytes], Once],
    answer: Callable[[Feed], Any],
) -> Any:
    """Keep a feed's content and let it be imported; a repeat with the same key gets the first reply.

    `key` makes the idempotency key from the content's digest. The feed's id comes from the key, so that a repeat of
    what was cut off half-way begins the same feed anew.
    """
    feed_id = stable_id("fed", key(b"").digest)
    is_wanted: bool = await store.write(receive_feed, caller=caller, feed_id=feed_id, options=options)
    dropped = is_wanted
    while dropped:
        dropped = await store.write(drop_feed_content, feed_id=feed_id) > 0
    digest, size, position = hashlib.sha256(), 0, 0
    async for content in pieces:
        if not size and not content.startswith(ZIP_BEGINS):
            raise FeedRejected
        size += len(content)
        if size > CONTENT_BYTES_MAX:
            raise FeedTooLarge
        digest.update(content)
        if is_wanted:
            await store.write(add_feed_content, feed_id=feed_id, position=position, content=content)
            position += 1
    if not size:
        raise FeedRejected
    return await store.write(begin_import, once=key(digest.digest()), answer=answer, feed_id=feed_id)
