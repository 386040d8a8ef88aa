"""``python -m tests.histories.stampede``: concurrent requests and a gateway
without faults. One money call each, no error page; exit 1 otherwise."""

from __future__ import annotations

import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import requests

from nexi_payments.enums import OperationOutcome, OrderState
from nexi_payments.testing.forms import Form, parse_form, redirect_target
from tests.histories import database, processes
from tests.histories.http_clients import (
    Browser,
    Clerk,
    RunLog,
    Shopper,
    run_concurrently,
)
from tests.support.servers import free_port

PURCHASE = {"name": "Crowd", "email": "c@example.com", "terminal": "default"}
TYPED_IN = {"cardholder_name": "Crowd", "allow_duplicate": "on"}


class ConcurrentClients:
    def __init__(
        self, site: str, gateway: str, clerk: dict[str, str], many: int
    ) -> None:
        self.site, self.gateway, self.many = site, gateway, many
        self.clerk = clerk
        self.log = RunLog()

    def statuses(self, answers: list[Any]) -> list[Any]:
        return [None if one is None else one.status_code for one in answers]

    def shopper(self) -> Shopper:
        """With one order created, so that every tab pays the same reference."""
        shopper = Shopper(Browser(self.site, self.log, {}))
        shopper.post("/basket/1/")
        shopper.post("/checkout/", **PURCHASE)
        return shopper

    def start_payment(self, shopper: Shopper) -> Form | None:
        way = redirect_target(shopper.post("/checkout/", **PURCHASE))
        if "/pay/" not in way:
            return None
        form = parse_form(shopper.submit_card(way, **TYPED_IN))
        return form if form.is_challenge else None

    def return_from_issuer(
        self, shopper: Shopper, form: Form, times: int = 1
    ) -> list[Any]:
        query = f"/control/challenge?id={form.operation_id}&answer=approve"
        fields = requests.get(self.gateway + query, timeout=30).json()
        back = partial(shopper.return_from_issuer, form, fields)
        return run_concurrently([back] * times)

    def repeated_returns(self) -> Iterator[Any]:
        for _ in range(self.many):
            shopper = self.shopper()
            form = self.start_payment(shopper)
            assert form is not None
            yield from self.statuses(self.return_from_issuer(shopper, form, 50))

    def pay(self, shopper: Shopper) -> list[Any]:
        form = self.start_payment(shopper)
        return self.return_from_issuer(shopper, form) if form else []

    def repeated_checkouts(self) -> Iterator[Any]:
        for _ in range(self.many):
            whole = partial(self.pay, self.shopper())
            for answers in run_concurrently([whole] * 20):
                yield from self.statuses(answers)

    def phone_order(self, amount: str, reference: str) -> tuple[Clerk, str]:
        """A clerk, and the path of the card page of a new phone order."""
        clerk = Clerk(Browser(self.site, self.log, self.clerk))
        answer = clerk.create_order(
            amount=amount,
            reference=reference,
            customer_name="Crowd",
            customer_email="",
            terminal="moto",
        )
        return clerk, redirect_target(answer)

    def repeated_clicks(self) -> Iterator[Any]:
        for number in range(self.many):
            clerk, way = self.phone_order("12.50", f"R-{number}")
            click: Callable[[], Any] = partial(clerk.submit_card, way, **TYPED_IN)
            yield from self.statuses(run_concurrently([click] * 5))

    def lose_an_answer(self, number: int) -> Any:
        clerk, way = self.phone_order("9.50", f"D-{number}")
        return clerk.submit_card(way, "answer_lost", **TYPED_IN)

    def in_doubt(self) -> Iterator[Any]:
        jobs = [partial(self.lose_an_answer, number) for number in range(self.many)]
        for start in range(0, self.many, 25):
            yield from self.statuses(run_concurrently(jobs[start : start + 25]))


def main() -> None:
    parser = argparse.ArgumentParser(prog="tests.histories.stampede")
    parser.add_argument("-n", type=int, default=100)
    parser.add_argument("--db", default="sqlite")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="stampede-"))
    url = database.fresh_database(options.db, folder)
    env = processes.environment(folder, url, False)
    with processes.gateway("1", folder, posts=0, gets=0) as gateway:
        port = free_port()
        env["NEXI_BASE_URL"] = f"{gateway}/api/phoenix-0.0/psp/api/v1"
        env["NEXI_PUBLIC_URL"] = f"http://127.0.0.1:{port}"
        os.environ.update(env)
        clerk = database.create_tables_and_clerks()[0]
        shop = processes.Shop(env, folder, port, random.Random(1))
        shop.start("web")
        try:
            broken = _run_all(
                ConcurrentClients(shop.site, gateway, clerk, options.n), env, gateway
            )
        finally:
            shop.stop()
    for line in broken:
        print("BROKEN", line)
    database.drop(options.db, url)
    shutil.rmtree(folder)
    sys.exit(bool(broken))


def _run_all(crowd: ConcurrentClients, env: dict[str, str], gateway: str) -> list[str]:
    broken = []
    for name, play, call in (
        ("50 returns", crowd.repeated_returns, "payment"),
        ("20 checkouts", crowd.repeated_checkouts, "payment"),
        ("5 clicks at the desk", crowd.repeated_clicks, "moto"),
    ):
        before = _call_counts(gateway)
        started = time.monotonic()
        seen = Counter(play())
        took = time.monotonic() - started
        after = _call_counts(gateway)
        new = {order: calls for order, calls in after.items() if order not in before}
        sent = [calls.get(call, 0) for calls in new.values()]
        print(
            f"{crowd.many} × {name}: {took:.0f} s, answers {dict(seen)},"
            f" {sum(sent)} money calls, at most {max(sent)} an order",
            flush=True,
        )
        if sum(sent) != crowd.many or max(sent) > 1:
            broken.append(f"{name}: {sum(sent)} money calls, at most {max(sent)}")
        broken += [f"{name}: {what}" for what in seen if what not in (302, 303)]
    return broken + crowd.log.errors + _run_reconcilers(crowd, env, gateway)


def _run_reconcilers(
    crowd: ConcurrentClients, env: dict[str, str], gateway: str
) -> list[str]:
    """Four at once over orders in doubt whose requests died before their inquiry."""
    from django.utils import timezone

    from nexi_payments.models import Event, Operation, PaymentOrder

    list(crowd.in_doubt())
    rows = PaymentOrder.objects.filter(reference__startswith="D-")
    Event.objects.filter(order__in=rows, to_state=OrderState.PAID).delete()
    for order in rows:
        Operation.objects.filter(order=order).update(
            outcome=OperationOutcome.OPEN, unsettled_order_id=order.pk, settled_at=None
        )
    rows.update(
        state=OrderState.PAYING,
        captured_amount=0,
        authorized_amount=0,
        next_poll_at=timezone.now(),
        gateway_operation_id="",
    )
    before = _call_counts(gateway)
    command = [sys.executable, "manage.py", "nexi_reconcile"]
    started = time.monotonic()
    four = [
        subprocess.Popen(
            command, cwd=processes.ROOT, env=env, stderr=subprocess.DEVNULL
        )
        for _ in range(4)
    ]
    for one in four:
        one.wait()
    took = time.monotonic() - started
    after = _call_counts(gateway)
    inquiries = Counter(
        after[order.order_id]["inquiry"] - before[order.order_id].get("inquiry", 0)
        for order in rows
    )
    states_now = Counter(rows.values_list("state", flat=True))
    money = sum(after[order.order_id].get("moto", 0) for order in rows)
    print(
        f"4 reconcilers, {len(rows)} orders in doubt: {took:.1f} s, inquiries an order"
        f" {dict(inquiries)}, states {dict(states_now)}, {money} money calls"
    )
    if dict(inquiries) != {1: crowd.many} or dict(states_now) != {"paid": crowd.many}:
        return [f"4 reconcilers: {dict(inquiries)} {dict(states_now)}"]
    return [] if money == crowd.many else [f"4 reconcilers: {money} money calls"]


def _call_counts(gateway: str) -> dict[str, dict[str, int]]:
    books = requests.get(f"{gateway}/control/books", timeout=60).json()
    calls: dict[str, dict[str, int]] = books["calls"]
    return calls


if __name__ == "__main__":
    main()
