"""Feeds: an operator's timetable as GTFS, on its way onto sale."""

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Form, Response
from headway.booking.v1 import timetable_service_pb2

from gateway.backends import Services
from gateway.bodies import Router
from gateway.caller import Call, signed_in, with_key
from gateway.problems import problems
from gateway.schemas.feeds import Feed, ImportFeed
from gateway.schemas.shapes import PathId

PIECE_BYTES = 256 * 1024
IMPORT_SECONDS = 60.0

router = Router(tags=["Operator"])


@router.post("/feeds", status_code=202, summary="Import a feed", responses=problems("feed_rejected", "not_found"))
async def import_feed(
    body: Annotated[ImportFeed, Form(media_type="multipart/form-data")],
    call: Annotated[Call, with_key("timetable:write", timeout=IMPORT_SECONDS)],
    services: Services,
    response: Response,
) -> Feed:
    """Put a GTFS feed on sale: send the zip, then read what becomes of it where `Location` says.

    A later feed of the same operator is a change: departures keep their ids, and what is booked stays.
    """
    feed = await services.send_many(services.timetable.ImportFeed, pieces_of(body), call)
    response.headers["Location"] = f"/v1/feeds/{feed.id}"
    return Feed.from_proto(services.tagged(feed))


async def pieces_of(body: ImportFeed) -> AsyncIterator[timetable_service_pb2.ImportFeedRequest]:
    """Send how a feed is to be taken in, then its content in pieces."""
    yield timetable_service_pb2.ImportFeedRequest(options=body.to_proto())
    while content := await body.file.read(PIECE_BYTES):
        yield timetable_service_pb2.ImportFeedRequest(content=content)


@router.get("/feeds/{feed_id}", summary="Read a feed", responses=problems("not_found"))
async def get_feed(feed_id: PathId, call: Annotated[Call, signed_in("timetable:write")], services: Services) -> Feed:
    """Read how far an import is, what it changed and what is wrong with the feed."""
    request = timetable_service_pb2.GetFeedRequest(feed_id=feed_id)
    feed = await services.ask(services.timetable.GetFeed, request, call)
    return Feed.from_proto(services.tagged(feed))
