"""Storage of the simulator: one row for each order, in a file or in memory.

A row holds ids, amounts, the outcome and a masked number; never a card number or a
security code. SQL by hand: the simulator runs without Django.
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

#: ``post_charge`` maps captures, refunds and cancels to their order.
#: ``idempotency_keys`` have the response, a fingerprint and the time of a request.
_SCHEMA: Final = (
    """
    CREATE TABLE IF NOT EXISTS orders (
        order_id TEXT PRIMARY KEY,
        operation_id TEXT UNIQUE NOT NULL,
        created TEXT NOT NULL,
        record TEXT NOT NULL
    )
    """,
    "CREATE INDEX IF NOT EXISTS orders_created ON orders (created)",
    """
    CREATE TABLE IF NOT EXISTS post_charge (
        operation_id TEXT PRIMARY KEY,
        order_id TEXT NOT NULL
    )
    """,
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
        """Add an order. Return False if the order id was used before."""
        try:
            with self.transaction():
                self.insert(record)
        except sqlite3.IntegrityError:
            return False
        return True

    def insert(self, record: Record) -> None:
        """Insert inside ``transaction``. ``IntegrityError`` if the id was used."""
        self._connection().execute(
            "INSERT INTO orders VALUES (?, ?, ?, ?)",
            (
                record["order_id"],
                record["operation_id"],
                record["created"],
                json.dumps(record),
            ),
        )

    @contextmanager
    def edit_payment(self, operation_id: str) -> Iterator[Record | None]:
        """Yield the record of a payment. Changes are written when the block ends."""
        with self.transaction() as db, self._edit_row(db, operation_id) as record:
            yield record

    @contextmanager
    def edit_operation(self, operation_id: str) -> Iterator[Record | None]:
        """As ``edit_payment``, for the id of any operation.

        Operations added to ``record["post_charge"]`` can then be found by their id."""
        with self.transaction() as db:
            row = db.execute(
                "SELECT orders.operation_id FROM post_charge"
                " JOIN orders USING (order_id) WHERE post_charge.operation_id = ?",
                (operation_id,),
            ).fetchone()
            with self._edit_row(db, row[0] if row else operation_id) as record:
                yield record
            for one in record.get("post_charge", ()) if record else ():
                db.execute(
                    "INSERT OR IGNORE INTO post_charge VALUES (?, ?)",
                    (one["id"], record["order_id"] if record else ""),
                )

    @contextmanager
    def _edit_row(
        self, db: sqlite3.Connection, operation_id: str
    ) -> Iterator[Record | None]:
        row = db.execute(
            "SELECT record FROM orders WHERE operation_id = ?", (operation_id,)
        ).fetchone()
        record: Record | None = json.loads(row[0]) if row else None
        yield record
        if record is not None:
            db.execute(
                "UPDATE orders SET record = ? WHERE operation_id = ?",
                (json.dumps(record), operation_id),
            )

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

    def find_by_order(self, order_id: str) -> Record | None:
        return _first_record(
            self._query("SELECT record FROM orders WHERE order_id = ?", order_id)
        )

    def find_by_payment(self, operation_id: str) -> Record | None:
        """Return the order of a payment."""
        return _first_record(
            self._query(
                "SELECT record FROM orders WHERE operation_id = ?", operation_id
            )
        )

    def find_by_operation(self, operation_id: str) -> Record | None:
        """Return the order of a payment, capture, refund or cancel."""
        return self.find_by_payment(operation_id) or _first_record(
            self._query(
                "SELECT record FROM orders JOIN post_charge USING (order_id)"
                " WHERE post_charge.operation_id = ?",
                operation_id,
            )
        )

    def created_between(self, since: str, until: str) -> list[Record]:
        """Return orders, newest first. Times are ISO 8601 in UTC."""
        rows = self._query(
            "SELECT record FROM orders WHERE created BETWEEN ? AND ?"
            " ORDER BY created DESC",
            since,
            until,
        )
        return [json.loads(row[0]) for row in rows]

    def _query(self, query: str, *values: str) -> list[tuple[Any, ...]]:
        with self._lock:
            return self._connection().execute(query, values).fetchall()

    def close(self) -> None:
        with self._lock:
            if self._db is not None and not self._is_inherited():
                self._db.close()
                self._db = None


def _first_record(rows: list[tuple[Any, ...]]) -> Record | None:
    return json.loads(rows[0][0]) if rows else None
