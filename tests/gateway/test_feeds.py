"""Feeds: how a zip and the form around it reach the booking service, and what is told of it."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from headway.booking.v1 import feeds_pb2, timetable_service_pb2

from chassis.errors import InvalidInput, KeyReused, NotFound
from gateway.limits import BODY_BYTES_MAX, LARGER_BODIES
from gateway.preconditions import etag
from gateway.routes.feeds import PIECE_BYTES
from tests.gateway.recording_services import Edge, at, gateway_and_services, pointers
from tests.gateway.running import problem

STAFF = "timetable:write"
ZIP = b"PK\3\4" + bytes(range(256)) * 2600
OPTIONS = feeds_pb2.FeedOptions(
    operator_id="op",
    days=7,
    lay_on="2030-06-03",
    is_skipping_bad=True,
    is_dry_run=True,
    layout_ids={"X7": "lay_ferry"},
    **{"from": "2024-06-03"},
)
FORM = {
    "operator_id": "op",
    "from": "2024-06-03",
    "days": "7",
    "lay_on": "2030-06-03",
    "skip_bad": "true",
    "dry_run": "true",
    "layouts": '{"X7": "lay_ferry"}',
}


@pytest.fixture(scope="module")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Edge]:
    async with gateway_and_services(tmp_path_factory.mktemp("gateway")) as edge:
        yield edge


@pytest.fixture
def edge(running: Edge) -> Edge:
    running.services.forget()
    return running


def feed(**fields: Any) -> feeds_pb2.Feed:
    found = feeds_pb2.Feed(
        id="fed_1",
        options=OPTIONS,
        state=feeds_pb2.FEED_STATE_IMPORTING,
        counts=feeds_pb2.FeedCounts(stops=4, routes=3, departures=2, calls=1),
        changes=feeds_pb2.FeedChanges(added=1, changed=2, withdrawn=3, unchanged=4),
        problems=[
            feeds_pb2.FeedProblem(
                file="stops.txt", line=3, field="stop_lat", reason="Give a latitude.", severity="error"
            )
        ],
        problems_total=40,
        withheld_departure_ids=["dep_1"],
        progress=feeds_pb2.FeedProgress(step="staging", done=1, total=5),
        created_at=at(2030, 5, 1, 12),
        on_sale_until="2030-06-09",
        version=3,
    )
    for name, value in fields.items():
        found.ClearField(name) if value is None else setattr(found, name, value)
    return found


IN_JSON = {
    "id": "fed_1",
    "state": "importing",
    "operator_id": "op",
    "from": "2024-06-03",
    "days": 7,
    "lay_on": "2030-06-03",
    "dry_run": True,
    "counts": {"stops": 4, "routes": 3, "departures": 2, "calls": 1},
    "changes": {"added": 1, "changed": 2, "withdrawn": 3, "unchanged": 4},
    "problems": [
        {"severity": "error", "file": "stops.txt", "line": 3, "field": "stop_lat", "reason": "Give a latitude."}
    ],
    "problems_total": 40,
    "withheld_departure_ids": ["dep_1"],
    "progress": {"step": "staging", "done": 1, "total": 5},
    "on_sale_until": "2030-06-09",
    "created_at": "2030-05-01T12:00:00Z",
    "version": 3,
}


async def send(edge: Edge, form: dict[str, Any] | None = None, *, content: bytes = ZIP, scope: str = STAFF) -> Any:
    headers = edge.signed_in(scope, key="k1")
    return await edge.client.post(
        "/v1/feeds", data=FORM if form is None else form, files={"file": ("feed.zip", content)}, headers=headers
    )


def sent(edge: Edge) -> tuple[feeds_pb2.FeedOptions, list[bytes]]:
    """Return what reached the service: the options, and the pieces of the content."""
    first, *others = edge.services.last("ImportFeed").message
    assert first.WhichOneof("part") == "options"
    return first.options, [message.content for message in others]


async def test_import_feed_sends_the_options_and_then_the_zip_in_pieces(edge: Edge):
    edge.services.answers("ImportFeed", feed())
    reply = await send(edge)
    assert (reply.status_code, reply.json()) == (202, IN_JSON)
    assert (reply.headers["location"], reply.headers["etag"]) == ("/v1/feeds/fed_1", etag(feed()))
    assert "idempotent-replayed" not in reply.headers
    options, pieces = sent(edge)
    assert options == OPTIONS
    assert b"".join(pieces) == ZIP
    assert [len(piece) for piece in pieces] == [PIECE_BYTES, PIECE_BYTES, len(ZIP) - 2 * PIECE_BYTES]
    call = edge.services.last("ImportFeed")
    assert (call.metadata["idempotency-key"], 50 < call.seconds_left < 61) == ("k1", True)


async def test_import_feed_needs_no_more_than_whose_it_is(edge: Edge):
    edge.services.answers("ImportFeed", feed())
    assert (await send(edge, {"operator_id": "op"})).status_code == 202
    assert sent(edge)[0] == feeds_pb2.FeedOptions(operator_id="op", days=28)


async def test_import_feed_takes_empty_fields_of_a_form_for_none(edge: Edge):
    edge.services.answers("ImportFeed", feed())
    empty = dict.fromkeys(("from", "days", "lay_on", "skip_bad", "dry_run", "layouts"), "")
    assert (await send(edge, empty | {"operator_id": "op"})).status_code == 202
    assert sent(edge)[0] == feeds_pb2.FeedOptions(operator_id="op", days=28)


async def test_import_feed_twice_with_one_key_says_that_the_answer_is_a_repeat(edge: Edge):
    edge.services.answers("ImportFeed", feed(), replayed=True)
    reply = await send(edge)
    assert (reply.status_code, reply.json(), reply.headers["idempotent-replayed"]) == (202, IN_JSON, "true")
    edge.services.fails("ImportFeed", KeyReused())
    problem(await send(edge), 422, "idempotency_key_reused")


async def test_import_feed_of_what_is_no_feed_is_refused_with_what_the_service_says(edge: Edge):
    refusal = InvalidInput("Send a zip.", problems=[{"file": "", "line": 0, "field": "", "reason": "Send a zip."}])
    refusal.reason = "FEED_REJECTED"
    edge.services.fails("ImportFeed", refusal)
    document = problem(await send(edge, content=b"no zip"), 422, "feed_rejected")
    assert document["facts"]["problems"][0]["reason"] == "Send a zip."


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"operator_id": ""}, "/operator_id"),
        ({"operator_id": "a b"}, "/operator_id"),
        ({"from": "tomorrow"}, "/from"),
        ({"days": "0"}, "/days"),
        ({"days": "366"}, "/days"),
        ({"days": "seven"}, "/days"),
        ({"lay_on": "2030-02-30"}, "/lay_on"),
        ({"skip_bad": "perhaps"}, "/skip_bad"),
        ({"layouts": "X7"}, "/layouts"),
        ({"layouts": "[" * 10_000}, "/layouts"),
        ({"layouts": '["lay_1"]'}, "/layouts"),
        ({"layouts": '{"X7": "a b"}'}, "/layouts/X7"),
        ({"layouts": json.dumps({f"X{number}": "lay_1" for number in range(301)})}, "/layouts"),
        ({"colour": "red"}, "/colour"),
    ],
)
async def test_import_feed_points_at_what_is_wrong_and_asks_nobody(edge: Edge, change: dict[str, str], pointer: str):
    assert pointers(problem(await send(edge, FORM | change), 422, "invalid_value")) == {pointer}
    assert edge.services.calls == []


async def test_import_feed_needs_a_file(edge: Edge):
    headers = edge.signed_in(STAFF, key="k1")
    boundary = {"Content-Type": "multipart/form-data; boundary=x"}
    body = b'--x\r\nContent-Disposition: form-data; name="operator_id"\r\n\r\nop\r\n--x--\r\n'
    reply = await edge.client.post("/v1/feeds", content=body, headers=headers | boundary)
    assert pointers(problem(reply, 422, "invalid_value")) == {"/file"}


async def test_import_feed_takes_a_form_only(edge: Edge):
    headers = edge.signed_in(STAFF, key="k1")
    problem(await edge.client.post("/v1/feeds", json=FORM, headers=headers), 415, "unsupported_media_type")
    problem(await edge.client.post("/v1/feeds", data=FORM, headers=headers), 415, "unsupported_media_type")


async def test_import_feed_that_is_larger_than_any_may_be_is_not_read(edge: Edge):
    bytes_max, scope = LARGER_BODIES["/v1/feeds"]
    headers = edge.signed_in(scope, key="k1", content_type="multipart/form-data; boundary=x")
    declared = headers | {"Content-Length": str(bytes_max + 1)}
    problem(await edge.client.post("/v1/feeds", content=b"", headers=declared), 413, "body_too_large")


@pytest.mark.parametrize("scope", ["", "bookings", "fares:write"])
async def test_import_feed_is_read_for_those_only_who_may_send_one(edge: Edge, scope: str):
    problem(await send(edge, content=b"PK" + b"x" * BODY_BYTES_MAX, scope=scope), 413, "body_too_large")
    problem(await send(edge, content=b"PK", scope=scope), 403, "forbidden")
    assert edge.services.calls == []


async def test_get_feed_tells_what_has_become_of_it(edge: Edge):
    published = feed(state=feeds_pb2.FEED_STATE_PUBLISHED, progress=None)
    edge.services.answers("GetFeed", published)
    reply = await edge.client.get("/v1/feeds/fed_1", headers=edge.signed_in(STAFF))
    assert (reply.status_code, reply.json()) == (200, IN_JSON | {"state": "published", "progress": None})
    assert edge.services.last("GetFeed").message == timetable_service_pb2.GetFeedRequest(feed_id="fed_1")
    headers = edge.signed_in(STAFF, if_none_match=reply.headers["etag"])
    assert (await edge.client.get("/v1/feeds/fed_1", headers=headers)).status_code == 304


async def test_get_feed_has_no_dates_where_there_are_none(edge: Edge):
    options = feeds_pb2.FeedOptions(operator_id="op", days=28, **{"from": "2024-06-03"})
    rejected = feed(state=feeds_pb2.FEED_STATE_REJECTED, on_sale_until="")
    rejected.options.CopyFrom(options)
    edge.services.answers("GetFeed", rejected)
    told = (await edge.client.get("/v1/feeds/fed_1", headers=edge.signed_in(STAFF))).json()
    assert (told["state"], told["lay_on"], told["on_sale_until"], told["dry_run"]) == ("rejected", None, None, False)


async def test_get_feed_of_another_operator_is_a_404(edge: Edge):
    edge.services.fails("GetFeed", NotFound())
    problem(await edge.client.get("/v1/feeds/fed_9", headers=edge.signed_in(STAFF)), 404, "not_found")
