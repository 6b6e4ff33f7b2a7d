"""Read the layouts of an operator."""

from booking_svc.domain.layout import Layout
from booking_svc.store.work import Work
from chassis.access import Caller
from chassis.errors import Forbidden


def list_layouts(work: Work, *, caller: Caller, operator_id: str, cursor: str, limit: int) -> list[Layout]:
    """Read some layouts from behind a cursor on; the default one comes first."""
    if not caller.works_for(operator_id):
        raise Forbidden(operator_id=operator_id)
    own = work.layouts.page(operator_id, after=cursor, limit=limit)
    return own if cursor else [work.layouts.get("lay_default"), *own][:limit]
