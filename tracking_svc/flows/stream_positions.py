"""Take in a device's points for as long as it keeps its stream open."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace

from headway.tracking.v1.tracking_service_pb2 import PositionAck, PositionBatch

from chassis.errors import FieldError, InvalidInput
from tracking_svc import translate
from tracking_svc.domain.reports import Batch, Report


async def stream_positions(
    requests: AsyncIterator[PositionBatch], *, report: Callable[[Batch], Awaitable[Report]]
) -> AsyncIterator[PositionAck]:
    """Report batch after batch for the vehicle that the first one names, each answered once it is durable.

    A session goes on until another is named. Raise InvalidInput at a second vehicle.
    """
    vehicle_id = session_id = ""
    async for request in requests:
        vehicle_id = vehicle_id or request.vehicle_id
        session_id = request.session_id or session_id
        if request.vehicle_id not in ("", vehicle_id):
            raise InvalidInput(errors=[FieldError("/vehicle_id", "A stream is one vehicle's: open another for it.")])
        batch = replace(translate.batch_in(request), vehicle_id=vehicle_id, session_id=session_id)
        yield translate.report_out(await report(batch))
        del request, batch  # thousands of streams are idle, and most have sent a long batch once
