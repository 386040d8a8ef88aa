"""``python -m tests.histories.due_charges``: many saved cards are due at once. Four
workers charge them while random ones are killed with -9. Exits with 1 unless each card
is charged exactly once by the gateway's records.

Of a hundred cards one charge loses its response, one is pending at first, one is a hard
decline.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

from nexi_payments.enums import ContractKind, ContractState, OrderState
from tests.histories import database, processes
from tests.support.servers import free_port
from tests.support.waiting import wait_until

WORKERS = 4
#: reasons of attempts that never reached the gateway
NOT_CHARGED_REASONS = {"expired", "unconfirmed", "not_sent"}
SPECIAL_ENDINGS = {0: "mit_answer_lost", 1: "mit_pending", 2: "mit_lost_card"}


def main() -> None:
    parser = argparse.ArgumentParser(prog="tests.histories.due_charges")
    parser.add_argument("-n", type=int, default=10_000)
    parser.add_argument("--db", default="sqlite")
    parser.add_argument("--kill-every", type=float, default=5.0, metavar="SECONDS")
    parser.add_argument("--most-seconds", type=float, default=1800)
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="payday-"))
    url = database.fresh_database(options.db, folder, "nexi_payday")
    env = processes.environment(folder, url, False) | {"LOG_LEVEL": "ERROR"}
    books = folder / "gateway.sqlite3"
    port = free_port()
    command = [sys.executable, "-m", "nexi_payments.simulator"]
    gateway = subprocess.Popen(
        [*command, "--port", str(port), "--state", str(books)],
        cwd=processes.ROOT,
        env=env,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    env["NEXI_BASE_URL"] = f"http://127.0.0.1:{port}/api/phoenix-0.0/psp/api/v1"
    env["NEXI_PUBLIC_URL"] = "http://127.0.0.1:1"  # no browser returns from 3-D Secure
    os.environ.update(env)
    try:
        database.create_tables_and_clerks()
        _create_contracts(books, options.n)
        started = time.monotonic()
        kills = _run_workers(env, options)
        _settle()
        took = time.monotonic() - started
        broken = _find_violations(books, options.n, kills, took)
    finally:
        gateway.terminate()
        gateway.wait()
    for line in broken[:20]:
        print("BROKEN", line)
    database.drop(options.db, url)
    shutil.rmtree(folder)
    sys.exit(bool(broken))


def _create_contracts(books: Path, many: int) -> None:
    """Creates due contracts on both sides, as after first payments."""
    from django.utils import timezone

    from nexi_payments.models import Contract
    from nexi_payments.simulator.store import Store

    now = timezone.now()
    store = Store(books)
    rows = []
    with store.transaction():
        for number in range(many):
            name = f"PAYDAY{number:08}"
            store.add_contract(
                {
                    "contract_id": name,
                    "customer_id": f"C{number}",
                    "type": "MIT_SCHEDULED",
                    "until": "",
                    "frequency": "30",
                    "masked": "434994******4549",
                    "expiry": "1230",
                    "brand": "VISA",
                    "ending": SPECIAL_ENDINGS.get(number % 100, "challenge"),
                    "order_id": name,
                    "active": True,
                }
            )
            rows.append(
                Contract(
                    contract_id=name,
                    customer_id=f"C{number}",
                    terminal="default",
                    state=ContractState.ACTIVE,
                    kind=ContractKind.SCHEDULED,
                    frequency=30,
                    amount=900,
                    currency="EUR",
                    billing_anchor=now - timedelta(days=30, minutes=1),
                    next_charge_at=now - timedelta(minutes=1),
                    created_at=now,
                )
            )
    store.close()
    Contract.objects.bulk_create(rows, batch_size=500)


def _run_workers(env: dict[str, str], options: Any) -> int:
    """Four workers until nothing is due; one is killed every few seconds."""
    dice = random.Random(1)
    command = [sys.executable, "manage.py", "nexi_charge_due", "--limit", "500"]
    workers: list[subprocess.Popen[bytes]] = []
    kills = 0
    end = time.monotonic() + options.most_seconds
    next_kill = time.monotonic() + options.kill_every
    while time.monotonic() < end and _any_due():
        workers = [one for one in workers if one.poll() is None]
        while len(workers) < WORKERS:
            workers.append(
                subprocess.Popen(
                    command,
                    cwd=processes.ROOT,
                    env=env,
                    stdout=subprocess.DEVNULL,
                )
            )
        if time.monotonic() >= next_kill:
            dice.choice(workers).send_signal(signal.SIGKILL)
            kills += 1
            next_kill = time.monotonic() + options.kill_every
        time.sleep(0.2)
    for one in workers:
        one.kill()
        one.wait()
    return kills


def _any_due() -> bool:
    """Whether a contract is untouched, or was leased by a killed worker."""
    from django.utils import timezone

    from nexi_payments.models import Contract

    soon = timezone.now() + timedelta(minutes=10)
    rows = Contract.objects.filter(
        period=1, state=ContractState.ACTIVE, next_charge_at__lte=soon
    )
    return rows.exists()


def _settle() -> None:
    """Reconcile and charge again until every outcome is known. A charge that never
    arrived is repeated only when it cannot turn up any more.
    """
    from django.utils import timezone

    from nexi_payments import flows
    from nexi_payments.models import Contract, PaymentOrder

    def settled() -> bool:
        now = timezone.now()
        PaymentOrder.objects.filter(state="paying").update(next_poll_at=now)
        flows.reconcile(limit=100_000)
        Contract.objects.filter(period=1, next_charge_at__isnull=False).update(
            next_charge_at=now
        )
        flows.charge_due(limit=100_000)
        return not _any_unsettled()

    wait_until(settled, 600, every=1)


def _any_unsettled() -> bool:
    from nexi_payments.models import Contract, PaymentOrder

    contracts = Contract.objects.filter(period=1, state=ContractState.ACTIVE)
    orders = PaymentOrder.objects.filter(state__in=(OrderState.INIT, OrderState.PAYING))
    return contracts.exists() or orders.exists()


def _find_violations(books: Path, many: int, kills: int, took: float) -> list[str]:
    from nexi_payments import enums
    from nexi_payments.models import Contract, Operation, PaymentOrder
    from nexi_payments.simulator import Simulator

    simulator = Simulator(books)
    charged: Counter[str] = Counter()
    asked: Counter[str] = Counter()
    rows = simulator.store.created_between("0", "9")
    for row in rows:
        asked[row["contract"]] += 1
        charge = simulator.charge_of(row["order_id"])
        charged[row["contract"]] += charge is not None and charge.captured == 900
    simulator.close()
    broken = []
    paid = 0
    for contract in Contract.objects.all():
        name = contract.contract_id
        declined = SPECIAL_ENDINGS.get(int(name[6:]) % 100) == "mit_lost_card"
        wanted = 0 if declined else 1
        if charged[name] != wanted or asked[name] != 1:
            broken.append(f"{name}: charged {charged[name]}, asked {asked[name]}")
        orders = PaymentOrder.objects.filter(contract=contract)
        found = [one.state for one in orders if one.reason not in NOT_CHARGED_REASONS]
        if found != ([OrderState.FAILED] if declined else [OrderState.PAID]):
            broken.append(f"{name}: {found}")
        if (contract.period, contract.state) != (
            (1, ContractState.SUSPENDED) if declined else (2, ContractState.ACTIVE)
        ):
            broken.append(f"{name}: period {contract.period}, {contract.state}")
        paid += found == [OrderState.PAID]
    left = Operation.objects.filter(outcome__in=enums.UNSETTLED).count()
    if left:
        broken.append(f"{left} operations still open")
    again = PaymentOrder.objects.filter(reason="unconfirmed").count()
    print(
        f"{again} never arrived and were made anew;"
        f" {many} due, {WORKERS} workers, {kills} times kill -9: {took:.0f} s,"
        f" {paid} paid, {len(rows)} asked for, at most {max(asked.values())} a"
        f" contract, {len(broken)} broken",
        flush=True,
    )
    return broken


if __name__ == "__main__":
    main()
