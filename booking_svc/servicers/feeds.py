"""The part of TimetableService that takes in feeds."""

from collections.abc import AsyncIterator
from dataclasses import replace

from headway.booking.v1 import feeds_pb2
from headway.booking.v1 import timetable_service_pb2 as pb

from booking_svc.flows.import_feed import FeedRejected, import_feed
from booking_svc.queries.get_feed import get_feed
from booking_svc.servicers import check
from booking_svc.store.work import Work
from booking_svc.translate_feed import feed_out, options_in
from chassis.replies import Once
from chassis.rpc_server import Context, current_caller, once_for
from chassis.store import Store


class FeedMethods:
    """Feeds in, and what became of them."""

    store: Store[Work]

    async def ImportFeed(self, requests: AsyncIterator[pb.ImportFeedRequest], context: Context) -> feeds_pb2.Feed:
        first = await anext(requests, pb.ImportFeedRequest())
        if first.WhichOneof("part") != "options":
            raise FeedRejected("Send the options first, then the zip in pieces.")
        check.check_feed(first.options)

        async def pieces() -> AsyncIterator[bytes]:
            async for request in requests:
                yield request.content

        def key(digest: bytes) -> Once:
            asked = pb.ImportFeedRequest(content=digest)
            once = once_for(first, context)
            return replace(once, fingerprint=once.fingerprint + once_for(asked, context).fingerprint)

        answer: feeds_pb2.Feed = await import_feed(
            self.store,
            caller=current_caller(),
            options=options_in(first.options, today=self.store.now().date()),
            pieces=pieces(),
            key=key,
            answer=feed_out,
        )
        return answer

    async def GetFeed(self, request: pb.GetFeedRequest, context: Context) -> feeds_pb2.Feed:
        check.addressed(request.feed_id)
        return feed_out(await self.store.read(get_feed, caller=current_caller(), feed_id=request.feed_id))
