"""A cluster of brokers: what was acknowledged survives the loss of one of them."""

import asyncio

from nats import errors

from chassis.bus import ROOT, Bus, Message, Stream
from chassis.errors import Unavailable
from tests.chassis.postal import stream_of, texts
from tests.servers import nats_cluster

LETTERS = Stream("LETTERS", (f"{ROOT}.letters.>",))


async def test_a_cluster_that_loses_a_server_loses_no_message_and_takes_more():
    with nats_cluster() as servers:
        bus = Bus(",".join(server.url for server in servers), name="test", streams=[LETTERS])
        try:
            await bus.connect()
            await sure(bus.ensure, LETTERS)
            await sure(bus.publish_batch, [letter(number) for number in range(1, 6)])
            servers[0].kill()
            await sure(bus.publish_one, letter(6))
            assert texts(await sure(stream_of, servers[1].url)) == [f"letter {number}" for number in range(1, 7)]
        finally:
            await bus.close()


def letter(number: int) -> Message:
    return Message(str(number), f"{ROOT}.letters.anna", f"letter {number}".encode(), {})


async def sure(ask, what):
    """Ask until the cluster has a leader, at most for half a minute; a repeat is harmless."""
    async with asyncio.timeout(30):
        while True:
            try:
                return await ask(what)
            except (Unavailable, errors.Error):
                await asyncio.sleep(0.05)
