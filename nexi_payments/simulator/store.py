"""Storage of the simulator: one row for each payment, in a file or in memory.

An order has one payment, unless it was created for a hosted page: then it has as many
as were tried there, or none. A row holds ids, amounts, the outcome and a masked number;
never a card number or a security code. SQL by hand: the simulator runs without Django.
"""

from __future__ import annotations

import json
import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Final

from nexi_payments.simulator.records import Record

#: ``pages`` are hosted pages and payment links. ``operations`` maps captures, refunds
#: and cancels to their payment, and payments to themselves; ``made`` is their time, in
#: UTC. ``idempotency_keys`` have the response, a fingerprint and the time of a request.
_SCHEMA: Final = (
    """
    CREATE TABLE IF NOT EXISTS payments (
        operation_id TEXT PRIMARY KEY,
        order_id TEXT NOT NULL,
        created TEXT NOT NULL,
        record TEXT NOT NULL
    )
    """,
    "CREATE INDEX IF NOT EXISTS payments_order ON payments (order_id)",
    "CREATE INDEX IF NOT EXISTS payments_created ON payments (created)",
    """
    CREATE TABLE IF NOT EXISTS pages (
        order_id TEXT PRIMARY KEY,
        page_id TEXT UNIQUE NOT NULL,
        record TEXT NOT NULL
    )
    """,
    """
    CREATE TABLE IF NOT EXISTS operations (
        operation_id TEXT PRIMARY KEY,
        payment_id TEXT NOT NULL,
        made TEXT NOT NULL
    )
    """,
    "CREATE INDEX IF NOT EXISTS operations_made ON operations (made)",
    """
    CREATE TABLE IF NOT EXISTS idempotency_keys (
        idempotency_key TEXT PRIMARY KEY,
        fingerprint TEXT NOT NULL,
        body BLOB NOT NULL,
        used_at TEXT NOT NULL
    )
    """,
    """
    CREATE TABLE IF NOT EXISTS contracts (
        contract_id TEXT PRIMARY KEY,
        customer_id TEXT NOT NULL,
        record TEXT NOT NULL
    )
    """,
    "CREATE INDEX IF NOT EXISTS contracts_customer ON contracts (customer_id)",
)
#: Rows that a list reads at once.
_PART: Final = 500


class Store:
    """Thread-safe; with a file, safe for processes too."""

    def __init__(self, path: str | os.PathLike[str] | None) -> None:
        self._path = os.fspath(path) if path else ":memory:"
        self._lock = threading.RLock()
        self._pid = 0
        self._db: sqlite3.Connection | None = None
        #: of the process that forked: SQLite forbids to use or close them here
        self._inherited: list[sqlite3.Connection] = []

    def _connection(self) -> sqlite3.Connection:
        if self._db is not None and self._is_inherited():
            self._inherited.append(self._db)
            self._db = None
        if self._db is None:
            self._db = sqlite3.connect(
                self._path, timeout=20, check_same_thread=False, isolation_level=None
            )
            self._db.execute("PRAGMA journal_mode=WAL")
            # survives a crash of the process, not of the machine; much faster
            self._db.execute("PRAGMA synchronous=NORMAL")
            for statement in _SCHEMA:
                self._db.execute(statement)
            self._pid = os.getpid()
        return self._db

    def _is_inherited(self) -> bool:
        return self._pid != os.getpid() and self._path != ":memory:"

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Write transaction: one writer at a time, over all processes."""
        with self._lock:
            db = self._connection()
            db.execute("BEGIN IMMEDIATE")
            try:
                yield db
            except BaseException:
                db.execute("ROLLBACK")
                raise
            db.execute("COMMIT")

    def add(self, record: Record) -> bool:
        """Add an order with its payment. Return False if the order id was used."""
        with self.transaction():
            if self.is_used(record["order_id"]):
                return False
            self.insert(record)
        return True

    def insert(self, record: Record) -> None:
        """Insert a payment inside ``transaction``."""
        db = self._connection()
        db.execute(
            "INSERT INTO payments VALUES (?, ?, ?, ?)",
            (
                record["operation_id"],
                record["order_id"],
                record["created"],
                json.dumps(record),
            ),
        )
        _write_times(db, record)

    def is_used(self, order_id: str) -> bool:
        """Return whether this id has a payment or a page."""
        return bool(
            self._query(
                "SELECT 1 FROM payments WHERE order_id = ?"
                " UNION ALL SELECT 1 FROM pages WHERE order_id = ?",
                order_id,
                order_id,
            )
        )

    def add_page(self, page: Record) -> bool:
        """Add an order with its page. Return False if the order id was used."""
        with self.transaction() as db:
            if self.is_used(page["order_id"]):
                return False
            db.execute(
                "INSERT INTO pages VALUES (?, ?, ?)",
                (page["order_id"], page["page_id"], json.dumps(page)),
            )
        return True

    def find_page(self, order_id: str) -> Record | None:
        """Return the hosted page or payment link of an order."""
        return _first_record(
            self._query("SELECT record FROM pages WHERE order_id = ?", order_id)
        )

    def find_page_by_id(self, page_id: str) -> Record | None:
        """Return the page with this id; of a payment link, it is the link's id."""
        return _first_record(
            self._query("SELECT record FROM pages WHERE page_id = ?", page_id)
        )

    def other_order(self, order_id: str) -> str:
        """Return the id of the newest other order that has a page, or ""."""
        found = self._query(
            "SELECT order_id FROM pages WHERE order_id != ?"
            " ORDER BY rowid DESC LIMIT 1",
            order_id,
        )
        return str(found[0][0]) if found else ""

    @contextmanager
    def edit_page(self, order_id: str) -> Iterator[Record | None]:
        """Yield the page of an order. Changes, and payments that are inserted, are
        written when the block ends."""
        with self.transaction() as db:
            page = self.find_page(order_id)
            yield page
            if page is not None:
                db.execute(
                    "UPDATE pages SET record = ? WHERE order_id = ?",
                    (json.dumps(page), order_id),
                )

    @contextmanager
    def edit_payment(self, operation_id: str) -> Iterator[Record | None]:
        """Yield the record of a payment. Changes are written when the block ends."""
        with self.transaction() as db, self._edit_row(db, operation_id) as record:
            yield record

    @contextmanager
    def edit_operation(self, operation_id: str) -> Iterator[Record | None]:
        """As ``edit_payment``, for the id of any operation."""
        with self.transaction() as db:
            row = db.execute(
                "SELECT payment_id FROM operations WHERE operation_id = ?",
                (operation_id,),
            ).fetchone()
            with self._edit_row(db, row[0] if row else operation_id) as record:
                yield record

    @contextmanager
    def _edit_row(
        self, db: sqlite3.Connection, operation_id: str
    ) -> Iterator[Record | None]:
        row = db.execute(
            "SELECT record FROM payments WHERE operation_id = ?", (operation_id,)
        ).fetchone()
        record: Record | None = json.loads(row[0]) if row else None
        yield record
        if record is not None:
            db.execute(
                "UPDATE payments SET record = ? WHERE operation_id = ?",
                (json.dumps(record), operation_id),
            )
            _write_times(db, record)

    def find_reply(self, key: str) -> tuple[str, bytes, datetime] | None:
        """Return fingerprint, response and time of the last request with a key."""
        found = self._query(
            "SELECT fingerprint, body, used_at FROM idempotency_keys"
            " WHERE idempotency_key = ?",
            key,
        )
        if not found:
            return None
        fingerprint, body, used_at = found[0]
        return fingerprint, body, datetime.fromisoformat(used_at)

    def save_reply(
        self, key: str, fingerprint: str, body: bytes, now: datetime
    ) -> None:
        """Save a response inside the transaction that makes the change."""
        with self._lock:
            self._connection().execute(
                "INSERT OR REPLACE INTO idempotency_keys VALUES (?, ?, ?, ?)",
                (key, fingerprint, body, now.isoformat()),
            )

    def add_contract(self, contract: Record) -> None:
        """Add a contract inside the transaction that charges its first payment."""
        with self._lock:
            self._connection().execute(
                "INSERT OR IGNORE INTO contracts VALUES (?, ?, ?)",
                (
                    contract["contract_id"],
                    contract["customer_id"],
                    json.dumps(contract),
                ),
            )

    def find_contract(self, contract_id: str) -> Record | None:
        return _first_record(
            self._query(
                "SELECT record FROM contracts WHERE contract_id = ?", contract_id
            )
        )

    def contracts_of_customer(self, customer_id: str) -> list[Record]:
        rows = self._query(
            "SELECT record FROM contracts WHERE customer_id = ? ORDER BY rowid",
            customer_id,
        )
        return [json.loads(row[0]) for row in rows]

    def end_contract(self, contract_id: str) -> bool:
        """Deactivate a contract. Return False if it does not exist."""
        with self.transaction() as db:
            found = self.find_contract(contract_id)
            if found is None:
                return False
            db.execute(
                "UPDATE contracts SET record = ? WHERE contract_id = ?",
                (json.dumps({**found, "active": False}), contract_id),
            )
        return True

    def payments_of(self, order_id: str) -> list[Record]:
        """Return the payments of an order, oldest first."""
        rows = self._query(
            "SELECT record FROM payments WHERE order_id = ? ORDER BY rowid", order_id
        )
        return [json.loads(row[0]) for row in rows]

    def find_by_payment(self, operation_id: str) -> Record | None:
        """Return the payment with this id."""
        return _first_record(
            self._query(
                "SELECT record FROM payments WHERE operation_id = ?", operation_id
            )
        )

    def find_by_operation(self, operation_id: str) -> Record | None:
        """Return the payment with this id, or that of a capture, refund or cancel."""
        return self.find_by_payment(operation_id) or _first_record(
            self._query(
                "SELECT record FROM payments JOIN operations"
                " ON payment_id = payments.operation_id"
                " WHERE operations.operation_id = ?",
                operation_id,
            )
        )

    def created_between(self, since: str, until: str) -> Iterator[Record]:
        """Yield payments, newest first. Times are ISO 8601 in UTC."""
        for row in self._in_parts(
            "SELECT record FROM payments WHERE created BETWEEN ? AND ?"
            " ORDER BY created DESC, operation_id",
            since,
            until,
        ):
            yield json.loads(row[0])

    def made_between(self, since: str, until: str) -> Iterator[tuple[str, Record]]:
        """Yield the id of each operation with its payment, newest first. Times are ISO
        8601 in UTC.
        """
        for row in self._in_parts(
            "SELECT operations.operation_id, record FROM operations"
            " JOIN payments ON payment_id = payments.operation_id"
            " WHERE made BETWEEN ? AND ?"
            " ORDER BY made DESC, operations.operation_id",
            since,
            until,
        ):
            yield row[0], json.loads(row[1])

    def _in_parts(self, query: str, *values: str) -> Iterator[tuple[Any, ...]]:
        """Yield the rows of a query, read in parts: a caller may stop early."""
        offset = 0
        while rows := self._query(f"{query} LIMIT ? OFFSET ?", *values, _PART, offset):
            yield from rows
            offset += len(rows)

    def _query(self, query: str, *values: str | int) -> list[tuple[Any, ...]]:
        with self._lock:
            return self._connection().execute(query, values).fetchall()

    def close(self) -> None:
        with self._lock:
            if self._db is not None and not self._is_inherited():
                self._db.close()
                self._db = None


def _write_times(db: sqlite3.Connection, record: Record) -> None:
    """Write the time of each operation: of a payment, that of its charge."""
    payment = record["operation_id"]
    times = [(payment, record.get("charged_at") or record["created"])]
    times += [
        (one["id"], one.get("made_at") or record["created"])
        for one in record.get("post_charge", ())
    ]
    db.executemany(
        "INSERT OR REPLACE INTO operations VALUES (?, ?, ?)",
        [(operation, payment, made) for operation, made in times],
    )


def _first_record(rows: list[tuple[Any, ...]]) -> Record | None:
    return json.loads(rows[0][0]) if rows else None
