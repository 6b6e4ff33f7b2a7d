"""Calls as devices make them, and what went wrong with them."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from random import Random
from typing import Any

from grpc import StatusCode, aio
from headway.tracking.v1 import tracking_service_pb2, tracking_service_pb2_grpc

from chassis.rpc_errors import failure_of
from tests.tracking_svc.fleet import wire
from tracking_svc.domain.points import Position

SERVICE = "/headway.tracking.v1.TrackingService"
PositionBatch = tracking_service_pb2.PositionBatch
PositionAck = tracking_service_pb2.PositionAck
Metadata = Sequence[tuple[str, str]]
TIMEOUT = 20.0


async def refusal_of(call: Any) -> tuple[StatusCode, str]:
    """Await a call that fails and return its code and reason."""
    try:
        answer = await asyncio.wait_for(call, TIMEOUT)
    except aio.AioRpcError as error:
        return error.code(), failure_of(error).reason
    raise AssertionError(f"It should have been refused, and answered {answer!r}")


async def next_ack(call: Any) -> PositionAck:
    """Read one acknowledgement; raise AioRpcError if the stream has ended with a failure."""
    found = await asyncio.wait_for(call.read(), TIMEOUT)
    if found is aio.EOF:
        raise aio.AioRpcError(await call.code(), aio.Metadata(), aio.Metadata(), "The stream has ended.")
    return found


async def exchange(call: Any, batch: PositionBatch) -> PositionAck:
    """Send a batch and wait for its acknowledgement."""
    await call.write(batch)
    return await next_ack(call)


class Driver:
    """A device that sends its way in order, keeps what is not acknowledged and takes up there after every cut."""

    def __init__(self, way: Sequence[Position], random: Random, *, batch_max: int = 25) -> None:
        self._way = way
        self._random = random
        self._batch_max = batch_max
        self.acknowledged = 0
        self.doubled = 0

    @property
    def is_done(self) -> bool:
        return self.acknowledged == self._way[-1].sequence

    async def drive(self, stub: Any, metadata: Metadata, *, cut_after: int | None = None) -> None:
        """Send on one stream from where nothing is acknowledged, some batches ahead of their answers.

        After `cut_after` acknowledgements have been read the stream is cut, whatever is still under way.
        """
        call = stub.StreamPositions(metadata=metadata, timeout=TIMEOUT)
        sending = asyncio.ensure_future(self._send(call))
        read = 0
        try:
            while not self.is_done and read != cut_after:
                ack = await next_ack(call)
                assert ack.acknowledged_sequence >= self.acknowledged
                self.acknowledged = ack.acknowledged_sequence
                self.doubled += sum(rejected.reason == "duplicate" for rejected in ack.rejected)
                read += 1
        finally:
            call.cancel()
            sending.cancel()
            await asyncio.wait([sending])

    async def _send(self, call: Any) -> None:
        place = self.acknowledged
        try:
            while place < len(self._way):
                size = self._random.randint(1, self._batch_max)
                await call.write(wire(self._way[place : place + size]))
                place += size
        except (aio.AioRpcError, asyncio.InvalidStateError):
            pass  # the stream is gone; whoever reads it is told


@asynccontextmanager
async def stub_at(address: str) -> AsyncIterator[Any]:
    async with aio.insecure_channel(address) as channel:
        yield tracking_service_pb2_grpc.TrackingServiceStub(channel)
