"""Read routes."""

from booking_svc.store.routes import OwnedRoute
from booking_svc.store.work import Work


def list_routes(work: Work, *, operator_id: str, cursor: str, limit: int) -> list[OwnedRoute]:
    """Read some routes from behind a cursor on."""
    return work.routes.page(operator_id=operator_id, after=cursor, limit=limit)
