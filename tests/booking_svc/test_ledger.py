"""Every cause is entered once, and its entries sum to zero."""

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from booking_svc.domain import ledger
from booking_svc.domain.ledger import Account, Entry
from booking_svc.store.work import Work
from chassis.store import Store
from tests.booking_svc.builders import account_balances, ask, commit

amounts = st.integers(0, 10**12)


@given(amounts, amounts)
def test_every_group_of_entries_sums_to_zero(refund: int, fee: int) -> None:
    for entries in (
        ledger.captured(refund),
        ledger.cancelled(refund_minor=refund, fee_minor=fee),
        ledger.refunded(refund),
    ):
        assert sum(entry.amount_minor for entry in entries) == 0
        assert len({entry.account for entry in entries}) == len(entries)


@given(amounts, amounts)
def test_a_sale_that_is_refunded_leaves_the_fee_with_the_provider(refund: int, fee: int) -> None:
    balance = dict.fromkeys(Account, 0)
    groups = [
        ledger.captured(refund + fee),
        ledger.cancelled(refund_minor=refund, fee_minor=fee),
        ledger.refunded(refund),
    ]
    for entry in (entry for group in groups for entry in group):
        balance[entry.account] += entry.amount_minor
    assert balance == {Account.PROVIDER: fee, Account.SALES: 0, Account.FEES: -fee, Account.REFUNDS_DUE: 0}


def enter(work: Work, entries: tuple[Entry, ...], *, cause_id: str, currency: str = "EUR") -> None:
    work.ledger.add(entries, cause_id=cause_id, booking_id="bkg_1", currency=currency, now=work.now)


def test_balances_are_sums_by_account_and_currency(store: Store[Work]) -> None:
    commit(store, enter, entries=ledger.captured(1000), cause_id="chg_1")
    commit(store, enter, entries=ledger.captured(10**12), cause_id="chg_2")
    commit(store, enter, entries=ledger.captured(7), cause_id="chg_3", currency="CHF")
    assert ask(store, account_balances) == {
        ("provider", "EUR"): 10**12 + 1000,
        ("sales", "EUR"): -(10**12) - 1000,
        ("provider", "CHF"): 7,
        ("sales", "CHF"): -7,
    }


def test_entries_that_do_not_sum_to_zero_are_not_written(store: Store[Work]) -> None:
    with pytest.raises(ValueError, match="sum to zero"):
        commit(store, enter, entries=(Entry(Account.SALES, 1),), cause_id="chg_1")
    assert ask(store, account_balances) == {}


def test_a_cause_is_entered_once(store: Store[Work]) -> None:
    commit(store, enter, entries=ledger.captured(1000), cause_id="chg_1")
    with pytest.raises(sa.exc.IntegrityError):
        commit(store, enter, entries=ledger.captured(1000), cause_id="chg_1")
