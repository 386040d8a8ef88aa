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
from typing import Any

Record = dict[str, Any]

_SCHEMA = """
CREATE TABLE IF NOT EXISTS orders (
    order_id TEXT PRIMARY KEY,
    operation_id TEXT UNIQUE NOT NULL,
    created TEXT NOT NULL,
    record TEXT NOT NULL
)
"""


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
            self._db.execute(_SCHEMA)
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
            with self.changing() as db:
                db.execute(
                    "INSERT INTO orders VALUES (?, ?, ?, ?)",
                    (
                        record["order_id"],
                        record["operation_id"],
                        record["created"],
                        json.dumps(record),
                    ),
                )
        except sqlite3.IntegrityError:
            return False
        return True

    @contextmanager
    def edit(self, operation_id: str) -> Iterator[Record | None]:
        """Yields a record to change; it is written back when the block ends."""
        with self.changing() as db:
            row = db.execute(
                "SELECT record FROM orders WHERE operation_id = ?", (operation_id,)
            ).fetchone()
            record = json.loads(row[0]) if row else None
            yield record
            if record is not None:
                db.execute(
                    "UPDATE orders SET record = ? WHERE operation_id = ?",
                    (json.dumps(record), operation_id),
                )

    def by_order(self, order_id: str) -> Record | None:
        return self._one("order_id", order_id)

    def by_operation(self, operation_id: str) -> Record | None:
        return self._one("operation_id", operation_id)

    def _one(self, column: str, value: str) -> Record | None:
        with self._lock:
            row = (
                self._connection()
                .execute(f"SELECT record FROM orders WHERE {column} = ?", (value,))  # noqa: S608
                .fetchone()
            )
        return json.loads(row[0]) if row else None

    def between(self, since: str, until: str, most: int) -> list[Record]:
        """Newest first; ISO times in UTC."""
        with self._lock:
            rows = self._connection().execute(
                "SELECT record FROM orders WHERE created BETWEEN ? AND ?"
                " ORDER BY created DESC LIMIT ?",
                (since, until, most),
            )
            return [json.loads(row[0]) for row in rows]

    def close(self) -> None:
        with self._lock:
            if self._db is not None:
                self._db.close()
                self._db = None
