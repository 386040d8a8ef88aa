"""The gateway's memory: one row an order, in a file that outlives a restart or in RAM.

A row holds ids, amounts, the ending and a masked number; never a card number or code.
"""

from __future__ import annotations

import json
import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from nexi_payments.simulator.ledger import Record

#: ``later`` finds the order of a capture, refund or cancel; ``replies`` are the answers
#: given to an Idempotency-Key, with a fingerprint of the request they belong to.
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
    CREATE TABLE IF NOT EXISTS later (
        operation_id TEXT PRIMARY KEY,
        order_id TEXT NOT NULL
    )
    """,
    """
    CREATE TABLE IF NOT EXISTS replies (
        idempotency_key TEXT PRIMARY KEY,
        fingerprint TEXT NOT NULL,
        body BLOB NOT NULL
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
    """Safe for threads; with a file, for processes too."""

    def __init__(self, path: str | os.PathLike[str] | None) -> None:
        self._path = os.fspath(path) if path else ":memory:"
        self._lock = threading.RLock()
        self._pid = 0
        self._db: sqlite3.Connection | None = None

    def _connection(self) -> sqlite3.Connection:
        if self._db is None or (self._pid != os.getpid() and self._path != ":memory:"):
            self._db = sqlite3.connect(
                self._path, timeout=20, check_same_thread=False, isolation_level=None
            )
            self._db.execute("PRAGMA journal_mode=WAL")
            # outlives the process, not the machine: enough here, and much faster
            self._db.execute("PRAGMA synchronous=NORMAL")
            for statement in _SCHEMA:
                self._db.execute(statement)
            self._pid = os.getpid()
        return self._db

    @contextmanager
    def changing(self) -> Iterator[sqlite3.Connection]:
        """One writer at a time, in this process and in others."""
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
        """False when the order id was used before."""
        try:
            with self.changing():
                self.insert(record)
        except sqlite3.IntegrityError:
            return False
        return True

    def insert(self, record: Record) -> None:
        """Inside ``changing``. Raises ``IntegrityError`` for a used order id."""
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
    def edit(self, operation_id: str) -> Iterator[Record | None]:
        """Yields the record of a payment to change; written when the block ends."""
        with self.changing() as db, self._written(db, operation_id) as record:
            yield record

    @contextmanager
    def edit_any(self, operation_id: str) -> Iterator[Record | None]:
        """The same for the id of any operation. What was added to ``record["later"]``
        can be found by its id afterwards."""
        with self.changing() as db:
            row = db.execute(
                "SELECT orders.operation_id FROM later JOIN orders USING (order_id)"
                " WHERE later.operation_id = ?",
                (operation_id,),
            ).fetchone()
            with self._written(db, row[0] if row else operation_id) as record:
                yield record
            for one in record.get("later", ()) if record else ():
                db.execute(
                    "INSERT OR IGNORE INTO later VALUES (?, ?)",
                    (one["id"], record["order_id"] if record else ""),
                )

    @contextmanager
    def _written(
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

    def replayed(self, key: str) -> tuple[str, bytes] | None:
        """Fingerprint and body of the answer once given to an Idempotency-Key."""
        found = self._rows(
            "SELECT fingerprint, body FROM replies WHERE idempotency_key = ?", key
        )
        return (found[0][0], found[0][1]) if found else None

    def remember(self, key: str, fingerprint: str, body: bytes) -> None:
        """Inside ``edit_any``: the answer and what it says are written together."""
        with self._lock:
            self._connection().execute(
                "INSERT INTO replies VALUES (?, ?, ?)", (key, fingerprint, body)
            )

    def add_contract(self, contract: Record) -> None:
        """Inside the change that charges its first payment."""
        with self._lock:
            self._connection().execute(
                "INSERT OR IGNORE INTO contracts VALUES (?, ?, ?)",
                (
                    contract["contract_id"],
                    contract["customer_id"],
                    json.dumps(contract),
                ),
            )

    def contract(self, contract_id: str) -> Record | None:
        return _first(
            self._rows(
                "SELECT record FROM contracts WHERE contract_id = ?", contract_id
            )
        )

    def contracts_of(self, customer_id: str) -> list[Record]:
        rows = self._rows(
            "SELECT record FROM contracts WHERE customer_id = ? ORDER BY rowid",
            customer_id,
        )
        return [json.loads(row[0]) for row in rows]

    def end_contract(self, contract_id: str) -> bool:
        """False when there is no such contract."""
        with self.changing() as db:
            found = self.contract(contract_id)
            if found is None:
                return False
            db.execute(
                "UPDATE contracts SET record = ? WHERE contract_id = ?",
                (json.dumps({**found, "active": False}), contract_id),
            )
        return True

    def by_order(self, order_id: str) -> Record | None:
        return _first(
            self._rows("SELECT record FROM orders WHERE order_id = ?", order_id)
        )

    def by_operation(self, operation_id: str) -> Record | None:
        """The order of a payment."""
        return _first(
            self._rows("SELECT record FROM orders WHERE operation_id = ?", operation_id)
        )

    def by_any_operation(self, operation_id: str) -> Record | None:
        """The order of a payment, capture, refund or cancel."""
        return self.by_operation(operation_id) or _first(
            self._rows(
                "SELECT record FROM orders JOIN later USING (order_id)"
                " WHERE later.operation_id = ?",
                operation_id,
            )
        )

    def between(self, since: str, until: str) -> list[Record]:
        """Newest first; ISO times in UTC."""
        rows = self._rows(
            "SELECT record FROM orders WHERE created BETWEEN ? AND ?"
            " ORDER BY created DESC",
            since,
            until,
        )
        return [json.loads(row[0]) for row in rows]

    def _rows(self, query: str, *values: str) -> list[tuple[Any, ...]]:
        with self._lock:
            return self._connection().execute(query, values).fetchall()

    def close(self) -> None:
        with self._lock:
            if self._db is not None:
                self._db.close()
                self._db = None


def _first(rows: list[tuple[Any, ...]]) -> Record | None:
    return json.loads(rows[0][0]) if rows else None
