"""Describe the seats of a kind of vehicle."""

from collections.abc import Sequence

from booking_svc.domain import layout
from booking_svc.domain.layout import Layout, LayoutSeat
from booking_svc.store.work import Work
from chassis.access import Caller
from chassis.errors import ForbiddenOperator


def create_layout(work: Work, *, caller: Caller, operator_id: str, name: str, seats: Sequence[LayoutSeat]) -> Layout:
    """Store a layout; it never changes, so that a sold seat always means the same."""
    if not caller.works_for(operator_id):
        raise ForbiddenOperator(operator_id=operator_id)
    created = layout.create(work.new_id("lay"), operator_id=operator_id, name=name, seats=seats)
    work.layouts.add(created)
    return created
