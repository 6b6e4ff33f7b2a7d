"""Write down what happened outside of any other use case."""

from gateway.accounts.domain.audit import Entry
from gateway.accounts.store.work import Work


def record(work: Work, *, entry: Entry) -> None:
    """Write down what happened outside of any other use case."""
    work.audit.add(entry)
