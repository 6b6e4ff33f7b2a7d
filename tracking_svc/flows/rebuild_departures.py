"""Build a read model that was lost, or never was."""

from chassis.logs import EventLog
from chassis.read_models import finish_rebuild, is_rebuilt
from chassis.store import Store
from tracking_svc.domain.departures import READ_MODEL
from tracking_svc.flows.learn_departures import Learning
from tracking_svc.flows.timetable import Timetable
from tracking_svc.store.work import Work

log = EventLog(__name__)

STEP_DEPARTURES = 200
"""What one call takes in well within the 50 ms that it may hold the writer."""


async def rebuild_departures(store: Store[Work], timetable: Timetable, learning: Learning) -> None:
    """Build the read model of departures from booking's list, unless that was done before.

    Events that come meanwhile are kept by their version. A rebuild that was cut short begins anew.
    """
    if await store.read(is_rebuilt, name=READ_MODEL):
        return
    cursor, count, is_more = "", 0, True
    while is_more:
        departures, following = await timetable.page(after=cursor, limit=STEP_DEPARTURES)
        await learning.learn_departures(departures)
        count += len(departures)
        cursor, is_more = following, following != cursor
    await store.write(finish_rebuild, name=READ_MODEL)
    log.info("read_model_rebuilt", read_model=READ_MODEL, departures=count)
