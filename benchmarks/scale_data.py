"""Fills the tables with orders, their operations and their events, by the million.

    DATABASE_URL=… python benchmarks/scale_data.py --rows 1000000

The tables must be there and without orders. One order a minute, the last one now, so
that a week holds the same whatever the number: 10,000 rows are seven days. What is open
(due, in doubt, disagreements, signals) is the same whatever the size, as in a shop.

Indexes are dropped first and made anew at the end, each timed: that is also what a
migration that adds one costs. Never run it against a database that is used.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "benchmarks.settings")

#: Seconds between two orders: 10,000 of them are a little more than a week.
SECONDS_BETWEEN_ORDERS: Final = 61
OPEN_ORDERS: Final = 200
_CHUNK: Final = 500_000
_ORDER: Final = "nexi_payments_paymentorder"
_OPERATION: Final = "nexi_payments_operation"
_EVENT: Final = "nexi_payments_event"
_TABLES: Final = (_ORDER, _OPERATION, _EVENT, "nexi_payments_discrepancy")


class SqlDialect:
    """SQL that two databases say differently. ``n`` is the number of the order."""

    def __init__(self, vendor: str, rows: int) -> None:
        self.postgres = vendor == "postgresql"
        self.rows = rows

    def series(self, first: int, last: int) -> str:
        if self.postgres:
            return f"generate_series({first}::bigint, {last}::bigint) AS s(n)"
        return (
            f"(WITH RECURSIVE s(n) AS (SELECT {first} UNION ALL SELECT n + 1 FROM s"
            f" WHERE n < {last}) SELECT n FROM s)"
        )

    def timestamp(self, more: int = 0) -> str:
        seconds = f"(({self.rows} - n) * {SECONDS_BETWEEN_ORDERS} - {more})"
        if self.postgres:
            return f"now() - {seconds} * interval '1 second'"
        return f"strftime('%Y-%m-%d %H:%M:%S', 'now', -{seconds} || ' seconds')"

    def scattered_hex(self) -> str:
        """Eight hexadecimal digits in no order: an index grows everywhere, as with
        random ids."""
        number = "((n * 2654435761) & 4294967295)"
        if self.postgres:
            return f"lpad(to_hex({number}), 8, '0')"
        return f"printf('%08x', {number})"

    def digits(self, width: int) -> str:
        if self.postgres:
            return f"lpad(n::text, {width}, '0')"
        return f"printf('%0{width}d', n)"

    def address(self) -> str:
        parts = (self.text(f"(n / {size}) % 256") for size in (65536, 256, 1))
        return " || '.' || ".join(("'10'", *parts))

    def text(self, number: str) -> str:
        return f"CAST({number} AS {'VARCHAR' if self.postgres else 'TEXT'})"


def order_columns(words: SqlDialect) -> dict[str, str]:
    """SQL of each column of an order that is not empty."""
    first = words.rows - OPEN_ORDERS
    state = (
        f"CASE WHEN n > {first} AND n % 2 = 0 THEN 'paying'"
        " WHEN n % 20 = 7 THEN 'refunded' WHEN n % 10 = 3 THEN 'failed'"
        " ELSE 'paid' END"
    )
    waits = f"n > {first} AND n % 2 = 0"
    taken = f"CASE WHEN {state} IN ('failed', 'paying') THEN 0 ELSE 1250 END"
    return {
        "id": "n",
        "public_id": f"{words.scattered_hex()} || {words.digits(24)}",
        "order_id": f"'ABC' || upper({words.scattered_hex()}) || {words.digits(7)}",
        "state": state,
        "reason": f"CASE WHEN {state} = 'failed' THEN 'declined' ELSE '' END",
        "terminal": "CASE WHEN n % 50 = 0 THEN 'moto' ELSE 'default' END",
        "channel": "CASE WHEN n % 50 = 0 THEN 'moto' ELSE 'shop' END",
        "flow": "'3steps'",
        "capture": "'automatic'",
        "amount": "1250",
        "currency": "CASE WHEN n % 1000 = 1 THEN 'CHF' ELSE 'EUR' END",
        "authorized_amount": taken,
        "captured_amount": taken,
        "refunded_amount": f"CASE WHEN {state} = 'refunded' THEN 1250"
        f" WHEN {state} = 'paid' AND n % 100 = 9 THEN 100 ELSE 0 END",
        "refunded_at": f"CASE WHEN {state} = 'refunded' OR"
        f" ({state} = 'paid' AND n % 100 = 9) THEN {words.timestamp(30)} ELSE NULL END",
        "reference": f"'R' || {words.text('n')}",
        "live_reference": f"CASE WHEN {state} IN ('paid', 'paying')"
        f" THEN 'R' || {words.text('n')} ELSE NULL END",
        "description": f"'Basket ' || {words.text('n')}",
        "customer_name": f"'Customer ' || {words.text('n % 200000')}",
        "customer_email": f"'c' || {words.text('n % 200000')} || '@x.example'",
        "gateway_operation_id": f"'op' || {words.scattered_hex()} || {words.digits(8)}",
        "card_brand": "CASE WHEN n % 3 = 0 THEN 'MC' ELSE 'VISA' END",
        "card_last4": words.text("1000 + (n * 7919) % 9000"),
        "card_expiry": "'1230'",
        "eci": "'05'",
        "response_code": f"CASE WHEN {state} = 'failed' THEN '101' ELSE '000' END",
        "claimed_at": words.timestamp(5),
        "charging_since": words.timestamp(5),
        "expires_at": words.timestamp(1800),
        "next_poll_at": f"CASE WHEN {waits} THEN {words.timestamp()} ELSE NULL END",
        "unsettled_since": f"CASE WHEN {waits} THEN {words.timestamp()} ELSE NULL END",
        "created_at": words.timestamp(),
    }


def operation_columns(words: SqlDialect, kind: str) -> dict[str, str]:
    """``n`` is the order's id; the ids of the operations are given by the database."""
    charge = kind == "payment"
    waits = f"{charge} AND n > {words.rows - OPEN_ORDERS} AND n % 2 = 0"
    declined = f"{charge} AND n % 10 = 3"
    settled = f"CASE WHEN {waits} THEN NULL ELSE {words.timestamp(9)} END"
    return {
        "order_id": "n",
        "kind": f"'{kind}'",
        "outcome": f"CASE WHEN {waits} THEN 'in_doubt' WHEN {declined} THEN 'declined'"
        " ELSE 'done' END",
        "unsettled_order_id": f"CASE WHEN {waits} THEN n ELSE NULL END",
        "amount": "1250" if kind in ("payment", "refund") else "NULL",
        "correlation_id": (
            f"{words.scattered_hex()} || '-0000-4000-8' || {words.digits(15)}"
        ),
        "gateway_operation_id": f"'{'r' if kind == 'refund' else 'o'}p'"
        f" || {words.scattered_hex()} || {words.digits(8)}",
        "send_count": "1",
        "result": f"CASE WHEN {declined} THEN 'DECLINED' ELSE 'EXECUTED' END",
        "response_code": f"CASE WHEN {declined} THEN '101' ELSE '000' END",
        "address": words.address(),
        "created_at": words.timestamp(5),
        "settled_at": settled,
    }


def event_columns(words: SqlDialect, target: str) -> dict[str, str]:
    first = words.rows - OPEN_ORDERS
    last = target != "paying"
    stuck = f"{last} AND n > {first} AND n % 20 = 1"
    word = "CASE WHEN n % 10 = 3 THEN 'failed' ELSE 'paid' END" if last else "'paying'"
    return {
        "order_id": "n",
        "kind": word,
        "from_state": "'paying'" if last else "'awaiting_3ds'",
        "to_state": word,
        "address": words.address(),
        "created_at": words.timestamp(9),
        "deliver_at": f"CASE WHEN {stuck} THEN {words.timestamp()} ELSE NULL END",
        "delivered_at": f"CASE WHEN {stuck} THEN NULL ELSE {words.timestamp(9)} END",
        "attempts": "1",
    }


def fill_tables(rows: int) -> dict[str, float]:
    """Seconds by index, and under "" those of the rows. At least 10,000 rows."""
    from django.db import connection

    words = SqlDialect(connection.vendor, rows)
    with connection.cursor() as cursor, _bulk_load_settings(cursor, connection.vendor):
        indexes = _drop_indexes(cursor, connection.vendor)
        started = time.perf_counter()
        for first in range(1, rows + 1, _CHUNK):
            numbers = words.series(first, min(rows, first + _CHUNK - 1))
            _insert(cursor, _ORDER, order_columns(words), numbers)
            for kind in ("authentication", "payment"):
                _insert(cursor, _OPERATION, operation_columns(words, kind), numbers)
            refunds = operation_columns(words, "refund")
            _insert(cursor, _OPERATION, refunds, numbers, "n % 20 = 7")
            _insert(cursor, _EVENT, event_columns(words, "paying"), numbers)
            waits = f"n <= {rows - OPEN_ORDERS} OR n % 2 = 1"
            _insert(cursor, _EVENT, event_columns(words, ""), numbers, waits)
        seconds = {"": time.perf_counter() - started}
        facts = {
            "order_id": "n",
            "kind": "'mismatch'",
            "created_at": words.timestamp(),
            "resolved_at": (
                f"CASE WHEN n < {rows - OPEN_ORDERS} THEN {words.timestamp()} END"
            ),
        }
        numbers = words.series(1, rows)
        _insert(cursor, "nexi_payments_discrepancy", facts, numbers, "n % 100 = 77")
        told = {"order_id": "n", "customer_info": "'{}'", "omitted": "'[]'"}
        _insert(cursor, "nexi_payments_customerdetails", told, numbers, "n % 10 = 0")
        for name, made_by in indexes.items():
            started = time.perf_counter()
            cursor.execute(made_by)
            seconds[name] = time.perf_counter() - started
        if words.postgres:
            cursor.execute(
                "SELECT setval(pg_get_serial_sequence(%s, 'id'), %s)", [_ORDER, rows]
            )
            cursor.execute("VACUUM ANALYZE")
        else:
            cursor.execute("ANALYZE")
    return seconds


def _insert(
    cursor: Any, table: str, known: dict[str, str], numbers: str, where: str = "true"
) -> None:
    """What the table has beside ``known`` gets NULL, or the empty value of its type."""
    from django.apps import apps
    from django.db import connection

    models = {model._meta.db_table: model for model in apps.get_models()}
    described = connection.introspection.get_table_description(cursor, table)
    there = {column.name: column.null_ok for column in described}
    names, values = [], []
    for field in models[table]._meta.concrete_fields:
        name = field.column
        if name not in there or (name not in known and (there[name] or name == "id")):
            continue
        empty = "''" if "Char" in field.get_internal_type() else "0"
        if field.get_internal_type() == "BooleanField":
            empty = "false"
        names.append(f'"{name}"')
        value = known.get(name, empty)
        inet = name == "address" and connection.vendor == "postgresql"
        values.append(f"({value})::inet" if inet else value)
    cursor.execute(
        f"INSERT INTO {table} ({', '.join(names)}) SELECT {', '.join(values)}"
        f" FROM {numbers} WHERE {where}"
    )


@contextmanager
def _bulk_load_settings(cursor: Any, vendor: str) -> Iterator[None]:
    """No foreign key is looked up and no commit waits, until the rows are there."""
    if vendor == "postgresql":
        cursor.execute("SET session_replication_role = replica")
        cursor.execute("SET synchronous_commit = off")
        cursor.execute("SET maintenance_work_mem = '1GB'")  # for as long as we are here
        yield
        for name in ("session_replication_role", "synchronous_commit"):
            cursor.execute(f"RESET {name}")
        return
    cursor.execute("PRAGMA foreign_keys = OFF")
    cursor.execute("PRAGMA synchronous = OFF")
    cursor.execute("PRAGMA cache_size = -2000000")
    yield
    cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.execute("PRAGMA cache_size = -2000")  # Django's own connection has this


def _drop_indexes(cursor: Any, vendor: str) -> dict[str, str]:
    """Drops those that are no constraints; how to make them again, by name."""
    if vendor == "postgresql":
        cursor.execute(
            "SELECT indexname, indexdef FROM pg_indexes WHERE tablename = ANY(%s)"
            " AND NOT EXISTS (SELECT 1 FROM pg_constraint WHERE conname = indexname)",
            [list(_TABLES)],
        )
    else:
        names = ", ".join(f"'{name}'" for name in _TABLES)
        cursor.execute(
            "SELECT name, sql FROM sqlite_master WHERE type = 'index'"
            f" AND sql IS NOT NULL AND tbl_name IN ({names})"
            " AND sql NOT LIKE 'CREATE UNIQUE%'"
        )
    found = dict(cursor.fetchall())
    for name in found:
        cursor.execute(f'DROP INDEX "{name}"')
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    options = parser.parse_args()
    import django

    django.setup()
    from nexi_payments.models import PaymentOrder

    if PaymentOrder.objects.exists():
        raise SystemExit("there are orders already: this is for an empty database")
    for name, seconds in fill_tables(options.rows).items():
        print(f"{seconds:8.1f} s  {name or 'rows'}")


if __name__ == "__main__":
    main()
