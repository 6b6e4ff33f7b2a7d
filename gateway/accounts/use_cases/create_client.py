"""Let a program sign in by itself."""

from chassis.access import Caller
from gateway.accounts.domain.audit import Entry, Event
from gateway.accounts.domain.clients import Client, digest_of
from gateway.accounts.domain.users import check_grant
from gateway.accounts.store.work import Work


def create_client(
    work: Work, *, caller: Caller, name: str, scopes: frozenset[str], operator_id: str, secret: str, address: str
) -> Client:
    """Let a program sign in by itself, with no more than its maker's own rights."""
    check_grant(caller, operator_id=operator_id, scopes=scopes)
    client = Client(work.new_id("cli"), name, digest_of(secret), scopes, operator_id, caller.subject, work.now)
    work.clients.put(client)
    work.audit.add(Entry(Event.CLIENT_CREATED, client.id, caller.subject, address, " ".join(sorted(scopes))))
    return client
