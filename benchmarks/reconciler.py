"""How long a pass over what is due takes in a large table, and how workers share it.

    python benchmarks/reconciler.py [--rows 1000000] [--due 1000]
    python benchmarks/reconciler.py --due 10000 --workers 2 --broker amqp://…

DATABASE_URL names the database server; a database of its own is made there, and removed
at the end. The gateway is a process of its own that answers "executed" at once, or
after --latency-ms.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "benchmarks.settings")

import django  # noqa: E402

django.setup()

from django.conf import settings  # noqa: E402
from django.db import connection  # noqa: E402
from django.db.models import F  # noqa: E402
from django.test.utils import CaptureQueriesContext  # noqa: E402
from django.utils import timezone  # noqa: E402

from benchmarks.admin_pages import fill_tables  # noqa: E402
from nexi_payments import flows  # noqa: E402
from nexi_payments.enums import OperationOutcome, OrderState  # noqa: E402
from nexi_payments.models import Event, Operation, PaymentOrder  # noqa: E402


@contextmanager
def running_gateway(latency: float) -> Iterator[str]:
    command = [sys.executable, str(ROOT / "benchmarks/inquiry_gateway.py")]
    process = subprocess.Popen(
        [*command, "--latency-ms", str(latency)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        yield f"http://127.0.0.1:{int(process.stdout.readline())}/api"
    finally:
        process.kill()
        process.wait()


def make_due(rows: int, due: int) -> list[str]:
    """Puts that many charges in doubt, spread over the table; their order ids."""
    Event.objects.all().delete()
    step = max(1, rows * 4 // 5 // due)
    paid = PaymentOrder.objects.filter(state=OrderState.PAID, currency="EUR").order_by(
        "pk"
    )
    chosen = list(paid.values_list("pk", flat=True)[::step][:due])
    now = timezone.now()
    for start in range(0, len(chosen), 10_000):
        part = chosen[start : start + 10_000]
        PaymentOrder.objects.filter(pk__in=part).update(
            state=OrderState.PAYING,
            next_poll_at=now,
            charging_since=now,
            claimed_at=now,
            unsettled_since=now,
            captured_amount=0,
            authorized_amount=0,
            poll_count=0,
        )
        Operation.objects.filter(order__in=part).update(
            outcome=OperationOutcome.OPEN,
            unsettled_order_id=F("order_id"),
            settled_at=None,
        )
    due_rows = PaymentOrder.objects.filter(next_poll_at__isnull=False)
    return list(due_rows.values_list("order_id", flat=True))


def inquiry_counts(url: str) -> Counter[str]:
    with urllib.request.urlopen(f"{url}/inquiries") as answer:
        return Counter(json.load(answer))


def measure_pass(rows: int, due: int) -> None:
    ids = make_due(rows, due)
    started = time.perf_counter()
    counts = flows.reconcile(limit=due)
    took = time.perf_counter() - started
    assert (counts.inquired, counts.paid) == (len(ids), len(ids)), counts
    make_due(rows, 50)
    with CaptureQueriesContext(connection) as asked:
        flows.reconcile(limit=50)
    with CaptureQueriesContext(connection) as idle:
        started = time.perf_counter()
        flows.reconcile()
        quiet = time.perf_counter() - started
    Event.objects.all().delete()  # or the table cannot be filled anew
    print(
        f"{rows:9,} rows, {len(ids)} due: {took:6.2f} s,"
        f" {took / len(ids) * 1000:.1f} ms and {len(asked) / 50:.1f} SQL an order;"
        f" nothing due: {quiet * 1000:.1f} ms, {len(idle)} SQL"
    )


def measure_workers(rows: int, due: int, workers: int, broker: str, url: str) -> None:
    """Celery workers on one queue of passes: nobody is looked at twice."""
    from benchmarks.worker import app

    ids = make_due(rows, due)
    facts = connection.settings_dict
    env = {
        **os.environ,
        "BROKER": broker,
        "DATABASE_URL": _database_url(facts),
        "GATEWAY": url,
        "PYTHONPATH": str(ROOT),
    }
    app.conf.broker_url = broker
    app.control.purge()
    command = [sys.executable, "-m", "celery", "-A", "benchmarks.worker", "worker"]
    command += ["-c", "1", "--loglevel", "ERROR", "--without-gossip", "-n"]
    running = [
        subprocess.Popen([*command, f"w{number}@%h"], cwd=ROOT, env=env)
        for number in range(workers)
    ]
    try:
        time.sleep(8)
        started = time.perf_counter()
        for _ in range(due // 500):
            app.send_task("nexi_payments.reconcile")
        left = PaymentOrder.objects.filter(state=OrderState.PAYING)
        while left.exists() and time.perf_counter() - started < 600:
            time.sleep(0.5)
        took = time.perf_counter() - started
    finally:
        for one in running:
            one.terminate()
        for one in running:
            one.wait()
    seen = inquiry_counts(url)
    often = Counter(seen[order_id] for order_id in ids)
    delivered = Event.objects.filter(deliver_at__isnull=True, kind="paid").count()
    print(
        f"{workers} workers, {broker.partition(':')[0]}, {len(ids)} due:"
        f" {took:.1f} s; inquiries an order {dict(often)}; paid {delivered}"
    )
    assert dict(often) == {1: len(ids)}
    assert delivered == len(ids)


def _database_url(facts: dict[str, Any]) -> str:
    host = facts["HOST"] or "127.0.0.1"
    port = facts["PORT"] or 5432
    return f"postgres://{facts['USER']}@{host}:{port}/{facts['NAME']}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--due", type=int, default=1000)
    parser.add_argument("--latency-ms", type=float, default=0)
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--broker", default="amqp://guest:guest@127.0.0.1//")
    options = parser.parse_args()
    creation: Any = connection.creation
    creation.create_test_db(verbosity=0, autoclobber=True)
    try:
        with running_gateway(options.latency_ms) as url:
            terminal = {"API_KEY": "benchmark", "BASE_URL": url}
            mine = {
                **settings.NEXI_PAYMENTS,
                "TERMINALS": {"default": terminal, "moto": terminal},
            }
            settings.NEXI_PAYMENTS = mine
            if options.workers:
                fill_tables(options.rows)
                measure_workers(
                    options.rows, options.due, options.workers, options.broker, url
                )
                return
            for rows in (max(10_000, 2 * options.due), options.rows):
                fill_tables(rows)
                measure_pass(rows, options.due)
    finally:
        creation.destroy_test_db(connection.settings_dict["NAME"], verbosity=0)


if __name__ == "__main__":
    main()
