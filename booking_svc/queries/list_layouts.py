"""Read the layouts of an operator."""

from booking_svc.domain.layout import DEFAULT_LAYOUT_ID, Layout
from booking_svc.store.work import Work
from chassis.access import Caller
from chassis.errors import ForbiddenOperator


def list_layouts(work: Work, *, caller: Caller, operator_id: str, cursor: str, limit: int) -> list[Layout]:
    """Read some layouts from behind a cursor on; the default one comes first."""
    if not caller.works_for(operator_id):
        raise ForbiddenOperator(operator_id=operator_id)
    if not cursor:
        return [work.layouts.get(DEFAULT_LAYOUT_ID), *work.layouts.page(operator_id, after="", limit=limit - 1)]
    return work.layouts.page(operator_id, after="" if cursor == DEFAULT_LAYOUT_ID else cursor, limit=limit)
