"""Keep charges and refunds durably, each at most once per key."""

import secrets
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Literal, TypeVar

Status = Literal["captured", "action_required", "declined"]

SCHEMA = """
CREATE TABLE IF NOT EXISTS charges (
    id TEXT PRIMARY KEY,
    key TEXT NOT NULL UNIQUE,
    request TEXT,
    amount_minor INTEGER NOT NULL CHECK (amount_minor >= 0),
    currency TEXT NOT NULL,
    reference TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('captured', 'action_required', 'declined')),
    decline_reason TEXT CHECK ((decline_reason IS NULL) = (status <> 'declined')),
    refunded_minor INTEGER NOT NULL CHECK (refunded_minor BETWEEN 0 AND amount_minor),
    created_at TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS refunds (
    id TEXT PRIMARY KEY,
    key TEXT NOT NULL UNIQUE,
    request TEXT NOT NULL,
    charge_id TEXT NOT NULL REFERENCES charges (id),
    amount_minor INTEGER NOT NULL CHECK (amount_minor >= 1),
    currency TEXT NOT NULL,
    created_at TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS failed_once (key TEXT PRIMARY KEY) STRICT;
"""
CHARGE_BY_ID = "SELECT * FROM charges WHERE id = ?"
CHARGE_BY_KEY = "SELECT * FROM charges WHERE key = ?"
REFUND_BY_KEY = "SELECT * FROM refunds WHERE key = ?"
INSERT_CHARGE = """
INSERT INTO charges VALUES (:id, :key, :request, :amount_minor, :currency, :reference,
                            :status, :decline_reason, :refunded_minor, :created_at)
"""
INSERT_REFUND = """
INSERT INTO refunds VALUES (:id, :key, :request, :charge_id, :amount_minor, :currency, :created_at)
"""
ADD_REFUNDED = """
UPDATE charges SET refunded_minor = refunded_minor + :amount_minor
WHERE id = :charge_id AND status = 'captured' AND refunded_minor + :amount_minor <= amount_minor
"""
DECIDE = "UPDATE charges SET status = ?, decline_reason = ? WHERE id = ? AND status = 'action_required'"


class PaymentError(Exception):
    """Say why a request cannot be honoured."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


def random_id(prefix: str) -> str:
    return f"{prefix}_{secrets.token_hex(12)}"


@dataclass(frozen=True, kw_only=True)
class Charge:
    id: str = field(default_factory=partial(random_id, "ch"))
    key: str
    request: str | None = None
    amount_minor: int = 0
    currency: str = "XXX"  # what ISO 4217 keeps for "no currency"
    reference: str = ""
    status: Status
    decline_reason: str | None
    refunded_minor: int = 0
    created_at: str


@dataclass(frozen=True, kw_only=True)
class Refund:
    id: str = field(default_factory=partial(random_id, "re"))
    key: str
    request: str
    charge_id: str
    amount_minor: int
    currency: str = ""
    created_at: str


Record = TypeVar("Record", Charge, Refund)


class Ledger:
    """Store charges and refunds in one SQLite file, over one connection."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._db.row_factory = sqlite3.Row
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = FULL")
        self._db.execute("PRAGMA foreign_keys = ON")
        self._db.executescript(f"BEGIN IMMEDIATE; {SCHEMA} COMMIT;")

    def close(self) -> None:
        with self._lock:
            self._db.close()

    def charge_by_id(self, charge_id: str) -> Charge:
        with self._transaction():
            return existing(self._find(Charge, CHARGE_BY_ID, charge_id))

    def charge_by_key(self, key: str) -> Charge:
        with self._transaction():
            return existing(self._find(Charge, CHARGE_BY_KEY, key))

    def refund_by_key(self, key: str) -> Refund:
        with self._transaction():
            return existing(self._find(Refund, REFUND_BY_KEY, key))

    def earlier_charge(self, key: str, request: str) -> Charge | None:
        """Return the charge that this same request already made, if any."""
        with self._transaction():
            return same_request(self._find(Charge, CHARGE_BY_KEY, key), request)

    def store_charge(self, charge: Charge) -> Charge:
        """Return the charge now under the key: this one, unless there was one."""
        with self._transaction():
            stored = same_request(self._find(Charge, CHARGE_BY_KEY, charge.key), charge.request)
            return stored or self._insert(INSERT_CHARGE, charge)

    def void(self, placeholder: Charge) -> Charge:
        """Make sure that nothing more is captured under the placeholder's key."""
        with self._transaction():
            charge = self._find(Charge, CHARGE_BY_KEY, placeholder.key) or self._insert(INSERT_CHARGE, placeholder)
            return self._decide(charge.id, "declined", "voided")

    def decide(self, charge_id: str, status: Status, decline_reason: str | None) -> Charge:
        """Settle a charge that waits for its payer; leave any other as it is."""
        with self._transaction():
            return self._decide(charge_id, status, decline_reason)

    def fail_once(self, key: str) -> bool:
        """Tell whether this key has yet to fail, and remember that it did."""
        with self._transaction():
            return self._db.execute("INSERT OR IGNORE INTO failed_once VALUES (?)", (key,)).rowcount == 1

    def store_refund(self, refund: Refund) -> Refund:
        """Return the refund now under the key, in its charge's currency and never beyond what was captured."""
        with self._transaction():
            if stored := same_request(self._find(Refund, REFUND_BY_KEY, refund.key), refund.request):
                return stored
            charge = existing(self._find(Charge, CHARGE_BY_ID, refund.charge_id))
            if self._db.execute(ADD_REFUNDED, asdict(refund)).rowcount == 0:
                raise PaymentError("refund_exceeds_charge", "The refunds would exceed the captured amount.")
            return self._insert(INSERT_REFUND, replace(refund, currency=charge.currency))

    def everything(self) -> tuple[list[Charge], list[Refund]]:
        """Return all charges and refunds as of one moment, oldest first."""
        with self._transaction():
            charges = [Charge(**row) for row in self._db.execute("SELECT * FROM charges ORDER BY rowid")]
            refunds = [Refund(**row) for row in self._db.execute("SELECT * FROM refunds ORDER BY rowid")]
            return charges, refunds

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._lock, self._db:
            self._db.execute("BEGIN IMMEDIATE")
            yield

    def _find(self, kind: type[Record], query: str, value: str) -> Record | None:
        row = self._db.execute(query, (value,)).fetchone()
        return None if row is None else kind(**row)

    def _insert(self, statement: str, record: Record) -> Record:
        self._db.execute(statement, asdict(record))
        return record

    def _decide(self, charge_id: str, status: Status, decline_reason: str | None) -> Charge:
        self._db.execute(DECIDE, (status, decline_reason, charge_id))
        return existing(self._find(Charge, CHARGE_BY_ID, charge_id))


def existing(record: Record | None) -> Record:
    if record is None:
        raise PaymentError("not_found", "There is no such record.")
    return record


def same_request(record: Record | None, request: str | None) -> Record | None:
    """Refuse a key that was used with another request; a voided key takes any."""
    if record is not None and record.request not in (None, request):
        raise PaymentError("idempotency_key_reused", "This key was used with another body.")
    return record
