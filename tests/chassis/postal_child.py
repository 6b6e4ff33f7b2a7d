"""A process that posts or reads letters until it is done or killed: python -m tests.chassis.postal_child ROLE URL NATS.

The faults that kill it come by HEADWAY_FAULTS. It ends by itself when all that it posted is out, or all is read.
"""

import asyncio
import sys

import uvloop

from chassis import consumer, lease, relay
from chassis.bus import Bus
from chassis.consumer import Consumer
from chassis.lifecycle import keep_running, stop_tasks
from tests.chassis.postal import Letter, is_read, letters, office, opened, post, until

LETTERS_A_LIFE = 120


async def post_some(url: str, nats_url: str) -> None:
    async with office(url, nats_url) as running:
        await running.post(*letters(LETTERS_A_LIFE // 2))
        await running.post(*letters(LETTERS_A_LIFE // 2, stream="PARCELS"))
        await until(running.is_all_out, within=60)


async def read_all(url: str, nats_url: str) -> None:
    """Write down each letter that comes, in the transaction that says it has come."""

    async def apply(message_id: str, _type: str, payload: bytes) -> None:
        notes = [Letter(payload.decode(), stream="NOTES")]
        await store.write(post, message_id=message_id, letters=notes)

    with opened(url) as store:
        store.start()
        bus = Bus(nats_url, name="reader", streams=())
        task = asyncio.ensure_future(keep_running(Consumer(bus, stream="LETTERS", durable="reader", apply=apply).run))
        await until(lambda: is_read(bus, "reader"), within=60)
        await stop_tasks([task])
        await bus.close()


if __name__ == "__main__":
    role, *urls = sys.argv[1:]
    lease.LEASE_SECONDS, relay.RENEW_SECONDS, consumer.ACK_WAIT_SECONDS = 1.0, 0.3, 1
    uvloop.run({"post": post_some, "read": read_all}[role](*urls))
