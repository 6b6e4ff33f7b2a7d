"""Take in a device's points for as long as it keeps its stream open."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace

from chassis.errors import FieldError, InvalidInput
from tracking_svc.domain.reports import Batch, Report


async def stream_positions(
    batches: AsyncIterator[Batch], *, report: Callable[[Batch], Awaitable[Report]]
) -> AsyncIterator[Report]:
    """Report batch after batch for the vehicle that the first one names, each answered once it is durable.

    A session goes on until another is named. Raise InvalidInput at a second vehicle.
    """
    vehicle_id = session_id = ""
    async for batch in batches:
        vehicle_id = vehicle_id or batch.vehicle_id
        session_id = batch.session_id or session_id
        if batch.vehicle_id not in ("", vehicle_id):
            raise InvalidInput(errors=[FieldError("/vehicle_id", "A stream is one vehicle's: open another for it.")])
        yield await report(replace(batch, vehicle_id=vehicle_id, session_id=session_id))
