"""Money by double entry: every group of entries sums to zero."""

from dataclasses import dataclass
from enum import StrEnum


class Account(StrEnum):
    PROVIDER = "provider"
    SALES = "sales"
    FEES = "fees"
    REFUNDS_DUE = "refunds_due"


@dataclass(frozen=True, slots=True)
class Entry:
    """An amount on an account; what we have or are owed is positive."""

    account: Account
    amount_minor: int


def captured(amount_minor: int) -> tuple[Entry, ...]:
    """The provider owes us the price of tickets."""
    return Entry(Account.PROVIDER, amount_minor), Entry(Account.SALES, -amount_minor)


def cancelled(*, refund_minor: int, fee_minor: int) -> tuple[Entry, ...]:
    """Sales are taken back; a part becomes a fee, the rest is due to the rider."""
    return (
        Entry(Account.SALES, refund_minor + fee_minor),
        Entry(Account.FEES, -fee_minor),
        Entry(Account.REFUNDS_DUE, -refund_minor),
    )


def refunded(amount_minor: int) -> tuple[Entry, ...]:
    """The provider has paid the rider back."""
    return Entry(Account.REFUNDS_DUE, amount_minor), Entry(Account.PROVIDER, -amount_minor)
