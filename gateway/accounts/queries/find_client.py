"""Find a client by its id."""

from gateway.accounts.domain.clients import Client
from gateway.accounts.store.work import Work


def find_client(work: Work, *, client_id: str) -> Client | None:
    """Find a client by its id."""
    return work.clients.find(client_id)
