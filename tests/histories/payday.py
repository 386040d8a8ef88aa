"""``python -m tests.histories.payday``: many cards on file are due at once, four
workers charge them and are killed with -9 all the time. Each is charged exactly once by
the gateway's own books, or this exits with 1.

Of a hundred cards one loses the answer to its charge, one is pending at first, one is
declined for good.
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

from tests.histories import stage, tables
from tests.servers import free_port

WORKERS = 4
#: reasons of attempts that the gateway has not seen
NEVER_ARRIVED = {"expired", "unconfirmed", "unsent"}
ODD = {0: "later_answer_lost", 1: "later_pending", 2: "later_lost_card"}


def main() -> None:
    parser = argparse.ArgumentParser(prog="tests.histories.payday")
    parser.add_argument("-n", type=int, default=10_000)
    parser.add_argument("--db", default="sqlite")
    parser.add_argument("--kill-every", type=float, default=5.0, metavar="SECONDS")
    parser.add_argument("--most-seconds", type=float, default=1800)
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="payday-"))
    database = tables.database(options.db, folder, "nexi_payday")
    env = stage.environment(folder, database, False) | {"LOG_LEVEL": "ERROR"}
    books = folder / "gateway.sqlite3"
    port = free_port()
    command = [sys.executable, "-m", "nexi_payments.simulator"]
    gateway = subprocess.Popen(
        [*command, "--port", str(port), "--state", str(books)],
        cwd=stage.ROOT,
        env=env,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    env["NEXI_BASE_URL"] = f"http://127.0.0.1:{port}/api/phoenix-0.0/psp/api/v1"
    env["NEXI_PUBLIC_URL"] = "http://127.0.0.1:1"  # nobody comes back from a bank
    os.environ.update(env)
    try:
        tables.set_up()
        _open_files(books, options.n)
        started = time.monotonic()
        kills = _pay(env, options)
        _afterwards()
        took = time.monotonic() - started
        broken = _judge(books, options.n, kills, took)
    finally:
        gateway.terminate()
        gateway.wait()
    for line in broken[:20]:
        print("BROKEN", line)
    shutil.rmtree(folder)
    sys.exit(bool(broken))


def _open_files(books: Path, many: int) -> None:
    """Contracts on both sides, as first payments have left them; all are due."""
    from django.utils import timezone

    from nexi_payments import states
    from nexi_payments.models import Contract
    from nexi_payments.simulator.store import Store

    now = timezone.now()
    store = Store(books)
    rows = []
    with store.changing():
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
                    "ending": ODD.get(number % 100, "challenge"),
                    "order_id": name,
                    "active": True,
                }
            )
            rows.append(
                Contract(
                    contract_id=name,
                    customer_id=f"C{number}",
                    terminal="default",
                    state=states.ACTIVE,
                    kind=states.SCHEDULED,
                    frequency=30,
                    amount=900,
                    currency="EUR",
                    planned_from=now - timedelta(days=30, minutes=1),
                    due_at=now - timedelta(minutes=1),
                    created_at=now,
                )
            )
    store.close()
    Contract.objects.bulk_create(rows, batch_size=500)


def _pay(env: dict[str, str], options: Any) -> int:
    """Four workers, one of which dies every few seconds; until nothing is due."""
    dice = random.Random(1)
    command = [sys.executable, "manage.py", "nexi_charge_due", "--most", "500"]
    workers: list[subprocess.Popen[bytes]] = []
    kills = 0
    end = time.monotonic() + options.most_seconds
    next_kill = time.monotonic() + options.kill_every
    while time.monotonic() < end and _waiting():
        workers = [one for one in workers if one.poll() is None]
        while len(workers) < WORKERS:
            workers.append(
                subprocess.Popen(
                    command,
                    cwd=stage.ROOT,
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


def _waiting() -> bool:
    """Whether a contract is untouched, or was in the hands of a worker that died."""
    from django.utils import timezone

    from nexi_payments import states
    from nexi_payments.models import Contract

    soon = timezone.now() + timedelta(minutes=10)
    rows = Contract.objects.filter(period=1, state=states.ACTIVE, due_at__lte=soon)
    return rows.exists()


def _afterwards() -> None:
    """Later: the reconciler has looked, and the run comes again, until all is known. A
    charge that never arrived is made again only when it could not turn up any more.
    """
    from django.utils import timezone

    from nexi_payments import flows
    from nexi_payments.models import Contract, PaymentOrder

    end = time.monotonic() + 600
    while time.monotonic() < end and _open():
        time.sleep(3)
        now = timezone.now()
        PaymentOrder.objects.filter(state="paying").update(due_at=now)
        flows.reconcile(most=100_000)
        Contract.objects.filter(period=1, due_at__isnull=False).update(due_at=now)
        flows.charge_due(most=100_000)


def _open() -> bool:
    from nexi_payments import states
    from nexi_payments.models import Contract, PaymentOrder

    contracts = Contract.objects.filter(period=1, state=states.ACTIVE)
    orders = PaymentOrder.objects.filter(state__in=(states.INIT, states.PAYING))
    return contracts.exists() or orders.exists()


def _judge(books: Path, many: int, kills: int, took: float) -> list[str]:
    from nexi_payments import states
    from nexi_payments.models import Contract, Operation, PaymentOrder
    from nexi_payments.simulator import Simulator

    simulator = Simulator(books)
    charged: Counter[str] = Counter()
    asked: Counter[str] = Counter()
    rows = simulator.store.between("0", "9")
    for row in rows:
        asked[row["contract"]] += 1
        charge = simulator.charge_of(row["order_id"])
        charged[row["contract"]] += charge is not None and charge.captured == 900
    simulator.close()
    broken = []
    paid = 0
    for contract in Contract.objects.all():
        name = contract.contract_id
        declined = ODD.get(int(name[6:]) % 100) == "later_lost_card"
        wanted = 0 if declined else 1
        if charged[name] != wanted or asked[name] != 1:
            broken.append(f"{name}: charged {charged[name]}, asked {asked[name]}")
        orders = PaymentOrder.objects.filter(contract=contract)
        found = [one.state for one in orders if one.reason not in NEVER_ARRIVED]
        if found != ([states.FAILED] if declined else [states.PAID]):
            broken.append(f"{name}: {found}")
        if (contract.period, contract.state) != (
            (1, states.ON_HOLD) if declined else (2, states.ACTIVE)
        ):
            broken.append(f"{name}: period {contract.period}, {contract.state}")
        paid += found == [states.PAID]
    left = Operation.objects.filter(outcome__in=states.UNSETTLED).count()
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
