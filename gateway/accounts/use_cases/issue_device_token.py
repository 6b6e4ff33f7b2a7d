"""Write down that a vehicle's device was given a token."""

from chassis.access import Caller
from gateway.accounts.domain.audit import Entry, Event
from gateway.accounts.store.work import Work


def issue_device_token(work: Work, *, caller: Caller, vehicle_id: str, device_id: str, address: str) -> None:
    """Write down that a vehicle's device was given a token."""
    work.audit.add(Entry(Event.DEVICE_TOKEN_ISSUED, vehicle_id, caller.subject, address, device_id))
