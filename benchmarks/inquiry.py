"""How long one status inquiry takes for an order with few operations and with many.

    python benchmarks/inquiry.py [--rounds 200]

DATABASE_URL names the database server. Django's test runner makes a database of its
own there and removes it at the end. The gateway is the simulator on a socket.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from decimal import Decimal
from pathlib import Path
from typing import Final

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "benchmarks.settings")

import django  # noqa: E402

django.setup()

from django.conf import settings  # noqa: E402
from django.test.utils import (  # noqa: E402
    override_settings,
    setup_databases,
    teardown_databases,
)

from benchmarks.payment import counting  # noqa: E402
from nexi_payments import flows  # noqa: E402
from nexi_payments.card import Card  # noqa: E402
from nexi_payments.models import PaymentOrder  # noqa: E402
from nexi_payments.simulator import TEST_CARDS, Simulator  # noqa: E402
from nexi_payments.simulator.server import run_in_thread  # noqa: E402

OPERATIONS: Final = (1, 5, 20)


def order_with(operations: int) -> PaymentOrder:
    """A charge, and refunds of 0.10."""
    order = flows.create_moto_order(
        amount=Decimal("12.50"),
        currency="EUR",
        reference=f"R{operations}",
        terminal="moto",
        actor=flows.Actor(),
    )
    one = TEST_CARDS[0]
    card = Card(one.number, one.expiry.replace("/", ""), one.cvv)
    order = flows.pay_moto(
        order, card, cardholder="Giulia Bianchi", allow_duplicate=True
    )
    for _ in range(operations - 1):
        assert flows.refund(order, Decimal("0.10")).outcome == "done"
    return order


def measure(order: PaymentOrder, rounds: int) -> str:
    flows.reconcile(order)
    with counting.count_queries() as asked:
        flows.reconcile(order)
    times = []
    for _ in range(rounds):
        began = time.perf_counter()
        flows.reconcile(order)
        times.append(1000 * (time.perf_counter() - began))
    slow = sorted(times)[len(times) * 95 // 100]
    return (
        f"{order.operations.count():3} operations: {len(asked.statements)} statements,"
        f" median {statistics.median(times):.1f} ms, 95 % {slow:.1f} ms"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=200)
    rounds = parser.parse_args().rounds
    databases = setup_databases(verbosity=0, interactive=False)
    try:
        with run_in_thread(Simulator()) as server:
            terminal = {"API_KEY": "k", "BASE_URL": server.base_url, "MOTO": True}
            shop = {**settings.NEXI_PAYMENTS, "TERMINALS": {"moto": terminal}}
            with override_settings(NEXI_PAYMENTS=shop):
                for operations in OPERATIONS:
                    print(measure(order_with(operations), rounds), flush=True)
    finally:
        teardown_databases(databases, verbosity=0)


if __name__ == "__main__":
    main()
