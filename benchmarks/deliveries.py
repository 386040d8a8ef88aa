"""How long due events take whose receivers work, beside receivers that hang.

    python benchmarks/deliveries.py [--events 10000] [--orders 2500] [--hanging 100]

DATABASE_URL names the database server; a database of its own is made there, and removed
at the end. The hanging receivers come first, and never return. Asserts that every other
event is delivered once, and that each order's are in order.
"""

from __future__ import annotations

import argparse
import os
import sys
import threading
import time
from collections import defaultdict
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "benchmarks.settings")

import django  # noqa: E402

django.setup()

from django.db import connection  # noqa: E402
from django.test.utils import setup_test_environment  # noqa: E402
from django.utils import timezone  # noqa: E402

from nexi_payments import delivery_workers, flows  # noqa: E402
from nexi_payments.models import Event, PaymentOrder  # noqa: E402
from nexi_payments.signals import payment_captured  # noqa: E402
from tests.support.outbox import write_due_events  # noqa: E402


def make_orders(count: int) -> list[PaymentOrder]:
    amount = {"amount": Decimal("12.50"), "currency": "EUR"}
    return [flows.create_order(**amount) for _ in range(count)]


def measure(events: int, orders: int, hanging: int) -> None:
    stuck, well = make_orders(hanging), make_orders(orders)
    past = timezone.now() - timedelta(minutes=1)
    write_due_events(stuck, 3, past)
    rows = write_due_events(well, events // orders)
    expected: dict[int, list[int]] = defaultdict(list)
    for row in rows:
        expected[row.order_id].append(row.pk)
    heard: dict[int, list[int]] = defaultdict(list)
    hung: list[int] = []
    never, done = threading.Event(), threading.Event()
    stuck_pks, left = {order.pk for order in stuck}, [len(rows)]
    lock = threading.Lock()

    def receive(sender: Any, order: PaymentOrder, event: Event, **kwargs: Any) -> None:
        if order.pk in stuck_pks:
            hung.append(event.pk)
            never.wait()
        with lock:
            heard[order.pk].append(event.pk)
            left[0] -= 1
        if not left[0]:
            done.set()

    payment_captured.connect(receive)
    started = time.perf_counter()
    with delivery_workers.watching():
        assert done.wait(3600)
        took = time.perf_counter() - started
        threads = threading.active_count()
    assert heard == expected
    assert len(hung) == len(set(hung)) == hanging
    print(
        f"{len(rows):,} events of {orders:,} payments in order, beside {hanging}"
        f" receivers that hang: {took:.1f} s, {len(rows) / took:,.0f} a second,"
        f" {threads} threads ({connection.vendor})"
    )
    payment_captured.disconnect(receive)
    never.set()
    time.sleep(1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=10_000)
    parser.add_argument("--orders", type=int, default=2_500)
    parser.add_argument("--hanging", type=int, default=100)
    options = parser.parse_args()
    setup_test_environment()
    connection.creation.create_test_db(verbosity=0)
    try:
        measure(options.events, options.orders, options.hanging)
    finally:
        connection.creation.destroy_test_db(connection.settings_dict["NAME"], 0)


if __name__ == "__main__":
    main()
