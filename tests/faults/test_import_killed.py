"""Booking is killed in the middle of an import, at every named point: the feed ends on sale, each event once."""

import asyncio
import io
import time
import zipfile
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import httpx2
import nats
import pytest

from tests.booking_svc.small_feed import Run, small_feed
from tests.system.running_stack import Stack, admin, client, running

# CI's lives pass these points, too; here each is passed alone.
pytestmark = pytest.mark.release

POINTS = ("feed.staged_step", "feed.laid_out_step", "feed.before_publish", "feed.finished_day")
DAYS = 7
SETTLE_SECONDS = 60


@pytest.mark.parametrize("point", POINTS)
async def test_an_import_survives_the_death_of_booking(point: str, tmp_path: Path) -> None:
    happened = tmp_path / "happened"
    happened.mkdir()
    # The first import passes a point some times before the second does.
    plan = {"HEADWAY_FAULTS": f"{point}@booking:kill:1", "HEADWAY_FAULTS_DIR": str(happened)}
    with running(tmp_path / "data", environment=plan) as stack:
        first = await asyncio.to_thread(imported, stack, small_feed(), "first")
        assert (first["state"], first["changes"]["added"]) == ("published", 3 * DAYS)
        changed = small_feed(t1=Run("08:05"), t2=Run("09:00"), t4=Run("12:00"))
        second = await asyncio.to_thread(imported, stack, changed, "second")
        assert list(happened.iterdir()), f"{point} was never passed"
        assert second["changes"] == {"added": DAYS, "changed": DAYS, "withdrawn": DAYS, "unchanged": DAYS}
        sold = await asyncio.to_thread(on_sale, stack)
        assert Counter(one["state"] for one in sold) == {"scheduled": 3 * DAYS, "cancelled": DAYS}
        facts = await told(stack)
        assert facts == {"published": 4 * DAYS, "changed": DAYS, "cancelled": DAYS}


def imported(stack: Stack, feed: Any, key: str) -> Any:
    """Import a feed as a patient client does, with one key, until it is settled."""
    today = datetime.now(UTC).date()
    texts = {name: text.replace("20300101", "20200101") for name, text in feed.texts().items()}
    content = zipped(texts)
    form = {"operator_id": "ferries", "from": (today + timedelta(days=1)).isoformat(), "days": str(DAYS)}
    with admin(stack) as operator:
        sending = partial(operator.post, "/feeds", data=form, headers={"Idempotency-Key": key})
        sent = until(lambda: sending(files={"file": content}), lambda reply: reply.status_code == 202)
        path = f"/feeds/{sent['id']}"
        return until(lambda: operator.get(path), lambda reply: reply.json().get("state") in ("published", "rejected"))


def until(send: Callable[[], httpx2.Response], is_so: Callable[[httpx2.Response], bool]) -> Any:
    """Repeat a request until it is answered as it should be, whoever has died meanwhile."""
    end = time.monotonic() + SETTLE_SECONDS
    while True:
        with suppress(httpx2.TransportError):
            reply = send()
            if is_so(reply):
                return reply.json()
            assert time.monotonic() < end, reply.text
        time.sleep(0.1)


def zipped(texts: dict[str, str]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, text in texts.items():
            archive.writestr(name, text)
    return packed.getvalue()


def on_sale(stack: Stack) -> list[Any]:
    with client(stack) as anybody:
        found = anybody.get("/departures", params={"operator_id": "ferries", "limit": 200})
    assert found.status_code == 200, found.text
    return list(found.json()["items"])


async def told(stack: Stack) -> Counter[str]:
    """Count the facts of departures in the stream once nothing more comes."""
    connection = await nats.connect(stack.ready["nats_url"])
    try:
        facts: Counter[str] = Counter()
        ids = set()
        reading = await connection.jetstream().subscribe("headway.v1.departure.>", ordered_consumer=True)
        while True:
            try:
                message = await reading.next_msg(2)
            except nats.errors.TimeoutError:
                return facts
            assert message.headers["Nats-Msg-Id"] not in ids
            ids.add(message.headers["Nats-Msg-Id"])
            facts[message.subject.split(".")[3]] += 1
    finally:
        await connection.close()
