"""How long the admin's pages take on a large table, beside a plain ``ModelAdmin``.

    python benchmarks/admin_pages.py [--rows 1000000] [--runs 5]

DATABASE_URL names the database server or file: a database of its own is made there, and
removed at the end. Prints, for each page, the median time in ms at 10,000 rows and at
--rows, the number of SQL statements, and the plain admin's time at --rows.
"""

from __future__ import annotations

import argparse
import itertools
import os
import statistics
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "benchmarks.settings")

import django

django.setup()

from django.contrib.auth import get_user_model  # noqa: E402
from django.db import connection  # noqa: E402
from django.test import Client  # noqa: E402
from django.test.utils import (  # noqa: E402
    CaptureQueriesContext,
    setup_test_environment,
)

from nexi_payments.models import PaymentOrder  # noqa: E402

ADMIN_URL = "/admin/nexi_payments/paymentorder/"
PLAIN_ADMIN_URL = "/plain/nexi_payments/paymentorder/"
STATES = ("paid", "failed", "refunded")


def order_columns(number: str, moment: str) -> dict[str, str]:
    """SQL of each column that is not empty, from a row's number."""
    text = "CAST({} AS {})".format
    kind = "VARCHAR" if connection.vendor == "postgresql" else "TEXT"
    n = text(number, kind)
    # of ten rows, three are failed attempts before a fourth that is paid, and one is of
    # a shopper who never entered a card
    state = (
        f"CASE WHEN {number} % 20 = 7 THEN 'refunded'"
        f" WHEN {number} % 10 IN (1, 2, 3, 5) THEN 'failed' ELSE 'paid' END"
    )
    reason = (
        f"CASE {number} % 10 WHEN 1 THEN 'declined' WHEN 2 THEN 'superseded'"
        f" WHEN 3 THEN 'declined' WHEN 5 THEN 'expired' ELSE '' END"
    )
    first = text(f"{number} - {number} % 10", kind)
    reference = (
        f"'R' || CASE WHEN {number} % 10 IN (1, 2, 3, 4) THEN {first} ELSE {n} END"
    )
    return {
        "public_id": f"'p' || {n}",
        "order_id": f"'O' || {n}",
        "state": state,
        "reason": reason,
        "terminal": f"CASE WHEN {number} % 50 = 0 THEN 'moto' ELSE 'default' END",
        "channel": f"CASE WHEN {number} % 50 = 0 THEN 'moto' ELSE 'shop' END",
        "currency": f"CASE WHEN {number} % 1000 = 1 THEN 'CHF' ELSE 'EUR' END",
        "reference": reference,
        "live_reference": f"CASE WHEN {state} = 'paid' THEN {n} ELSE NULL END",
        "customer_email": f"'c' || {text(f'{number} % 200000', kind)} || '@x.example'",
        "gateway_operation_id": (
            f"CASE WHEN {number} % 10 = 5 THEN '' ELSE 'op' || {n} END"
        ),
        "card_last4": text(f"1000 + {number} % 9000", kind),
        "amount": "1250",
        "authorized_amount": "1250",
        "captured_amount": f"CASE WHEN {state} = 'failed' THEN 0 ELSE 1250 END",
        "refunded_amount": f"CASE WHEN {state} = 'refunded' THEN 1250 ELSE 0 END",
        "refunded_at": f"CASE WHEN {state} = 'refunded' THEN {moment} ELSE NULL END",
        "created_at": moment,
        "expires_at": moment,
    }


def fill_tables(rows: int) -> None:
    """One INSERT each for orders and their operations; a row every ten seconds."""
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM nexi_payments_operation")
        cursor.execute("DELETE FROM nexi_payments_paymentorder")
        postgres = connection.vendor == "postgresql"
        if postgres:
            source = f"generate_series(1, {rows}) AS s(n)"
            moment = f"now() - ({rows} - n) * interval '10 seconds'"
        else:
            source = (
                f"(WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s"
                f" WHERE n < {rows}) SELECT n FROM s)"
            )
            moment = f"datetime('now', '-' || (({rows} - n) * 10) || ' seconds')"
        known = order_columns("n", moment)
        names, values = [], []
        for field in PaymentOrder._meta.concrete_fields:
            if field.primary_key or (field.null and field.column not in known):
                continue
            default = "''" if "Char" in field.get_internal_type() else "0"
            if field.get_internal_type() == "BooleanField":
                default = "false"
            names.append(f'"{field.column}"')
            values.append(known.get(field.column, default))
        cursor.execute(
            f"INSERT INTO nexi_payments_paymentorder ({', '.join(names)})"
            f" SELECT {', '.join(values)} FROM {source}"
        )
        cursor.execute(
            "INSERT INTO nexi_payments_operation (order_id, kind, outcome, amount,"
            " correlation_id, idempotency_key, send_count, gateway_operation_id,"
            " result, response_code,"
            " error, cid, target_operation_id, authorization_code, rrn, misses,"
            " by_totals, created_at, settled_at)"
            " SELECT id, 'payment', 'done', amount, '', '', 1, gateway_operation_id,"
            " CASE WHEN state = 'failed' THEN 'DECLINED' ELSE 'EXECUTED' END, '000',"
            " '', '', '', '', '', 0, false, created_at, created_at"
            " FROM nexi_payments_paymentorder"
        )
        cursor.execute("ANALYZE")


def pages(rows: int) -> dict[str, str]:
    half = rows // 2
    return {
        "list": "",
        "page 20": "?p=20",
        "every attempt": "?attempts=all",
        "state=failed": "?state__exact=failed",
        "channel=moto": "?channel__exact=moto",
        "currency=CHF": "?currency=CHF",
        "created=month": "?created=month",
        "in doubt": "?in_doubt=yes",
        "refunded": "?refunded=all",
        "search order id": f"?q=O{half}",
        "search reference": f"?q=R{half}",
        "search beginning": "?q=R",
        "search operation": f"?q=op{half}0",
        "search e-mail": "?q=c77@x.example",
        "search last4": "?q=4321",
        "search, no hit": "?q=nothing-like-it",
        "to check": "review-queue/",
        "till, a day": "daily-report/",
    }


PLAIN_PAGES = {
    "list": "",
    "page 20": "?p=20",
    "state=failed": "?state=failed",
    "channel=moto": "?channel=moto",
    "currency=CHF": "?currency=CHF",
    "search reference": "?q=R777",
    "search e-mail": "?q=c77@x.example",
    "search last4": "?q=4321",
    "search, no hit": "?q=nothing-like-it",
}


def add_robots(number: int) -> None:
    """The newest ``number`` orders become ones that nobody started."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE nexi_payments_paymentorder SET state = 'failed',"
            " reason = 'expired', live_reference = NULL, gateway_operation_id = ''"
            " WHERE id > (SELECT max(id) FROM nexi_payments_paymentorder) - %s",
            [number],
        )
        cursor.execute("ANALYZE")


def measure(browser: Client, path: str, runs: int) -> tuple[float, int]:
    """(median ms, SQL statements) of a GET, after one that warms up."""
    with CaptureQueriesContext(connection) as asked:
        answer = browser.get(path)
        assert answer.status_code == 200, (path, answer.status_code)
    statements = len(asked)  # the next request forgets them
    times = []
    for _ in range(runs):
        started = time.perf_counter()
        browser.get(path)
        times.append((time.perf_counter() - started) * 1000)
    return statistics.median(times), statements


def export_times(browser: Client, rows: int) -> tuple[float, float]:
    """ms for 2,000 rows of the export, at the start and after nine tenths."""
    stream = iter(browser.get(ADMIN_URL + "export/"))
    next(stream)
    started = time.perf_counter()
    list(itertools.islice(stream, 2000))
    first = time.perf_counter() - started
    list(itertools.islice(stream, int(rows * 0.9) - 2000))
    started = time.perf_counter()
    list(itertools.islice(stream, 2000))
    return first * 1000, (time.perf_counter() - started) * 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    setup_test_environment()
    creation: Any = connection.creation
    creation.create_test_db(verbosity=0, autoclobber=True)
    try:
        user = get_user_model().objects.create_superuser("boss")
        browser = Client(HTTP_HOST="127.0.0.1")
        browser.force_login(user)
        found: dict[str, list[Any]] = {}
        for rows in (10_000, options.rows):
            fill_tables(rows)
            for name, query in pages(rows).items():
                found.setdefault(name, []).append(
                    measure(browser, ADMIN_URL + query, options.runs)
                )
        plain = {
            name: measure(browser, PLAIN_ADMIN_URL + query, max(1, options.runs // 2))
            for name, query in PLAIN_PAGES.items()
        }
        print(f"{connection.vendor}, {options.rows} rows")
        print(f"{'page':20} {'10 k':>9} {'all':>9} {'SQL':>4} {'plain':>9}  all/plain")
        for name, (small, large) in found.items():
            other = plain.get(name, (None, None))[0]
            shown = f"{other:9.0f}  {large[0] / other:9.3f}" if other else ""
            print(f"{name:20} {small[0]:9.1f} {large[0]:9.1f} {large[1]:4d} {shown}")
        robots = options.rows // 5
        add_robots(robots)
        taken, _ = measure(browser, ADMIN_URL, options.runs)
        print(f"list, {robots} orders that nobody started above it: {taken:.0f} ms")
        first, late = export_times(browser, options.rows)
        print(f"export, 2,000 rows: {first:.0f} ms at the start, {late:.0f} ms at 90 %")
    finally:
        creation.destroy_test_db(connection.settings_dict["NAME"], verbosity=0)


if __name__ == "__main__":
    main()
