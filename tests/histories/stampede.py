"""``python -m tests.histories.stampede``: everybody at the same moment, and a gateway
that behaves. One money call each, no error page; exit 1 otherwise."""

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
from urllib.parse import urlsplit

import requests

from tests.histories import stage, tables
from tests.histories.people import Browser, Log, at_once, card, hidden, where
from tests.servers import free_port


class Crowd:
    def __init__(
        self, site: str, gateway: str, clerk: dict[str, str], many: int
    ) -> None:
        self.site, self.gateway, self.many = site, gateway, many
        self.clerk = clerk
        self.log = Log()

    def statuses(self, answers: list[Any]) -> list[Any]:
        return [None if one is None else one.status_code for one in answers]

    def shopper(self) -> tuple[Browser, dict[str, str]]:
        """With one order begun, so that every tab asks for the same reference."""
        browser = Browser(self.site, self.log, {})
        browser.post("/basket/1/")
        buy = {"name": "Crowd", "email": "c@example.com", "terminal": "default"}
        browser.post("/checkout/", **buy)
        return browser, buy

    def to_the_bank(self, browser: Browser, buy: dict[str, str]) -> dict[str, str]:
        way = where(browser.post("/checkout/", **buy))
        if "/pay/" not in way:
            return {}
        answer = browser.post(way, **card("challenge", "Crowd"))
        return hidden(answer.text) if "ReturnUrl" in answer.text else {}

    def back(self, form: dict[str, str], times: int = 1) -> list[Any]:
        operation = form["transactionId"]
        query = f"/control/challenge?id={operation}&answer=approve"
        fields = requests.get(self.gateway + query, timeout=30).json()
        path = urlsplit(form["ReturnUrl"]).path
        browser = Browser(self.site, self.log, {})
        return at_once([lambda: browser.post(path, **fields)] * times)

    def fifty_returns(self) -> Iterator[Any]:
        for _ in range(self.many):
            browser, buy = self.shopper()
            yield from self.statuses(self.back(self.to_the_bank(browser, buy), 50))

    def twenty_checkouts(self) -> Iterator[Any]:
        for _ in range(self.many):
            browser, buy = self.shopper()

            def whole(browser: Browser = browser, buy: Any = buy) -> list[Any]:
                form = self.to_the_bank(browser, buy)
                return self.back(form) if form else []

            for answers in at_once([whole] * 20):
                yield from self.statuses(answers)

    def five_clicks(self) -> Iterator[Any]:
        desk = "/admin/nexi_payments/paymentorder/moto/"
        for number in range(self.many):
            browser = Browser(self.site, self.log, self.clerk)
            order = {"currency": "EUR", "reference": f"R-{number}", "terminal": "moto"}
            way = where(
                browser.post(desk, amount="12.50", customer_name="Crowd", **order)
            )
            fields = card("challenge", "Crowd")
            click: Callable[[], Any] = partial(browser.post, way, **fields)
            yield from self.statuses(at_once([click] * 5))

    def in_doubt(self) -> Iterator[Any]:
        desk = "/admin/nexi_payments/paymentorder/moto/"

        def one(number: int) -> Any:
            browser = Browser(self.site, self.log, self.clerk)
            order = {"currency": "EUR", "reference": f"D-{number}", "terminal": "moto"}
            way = where(
                browser.post(desk, amount="9.50", customer_name="Crowd", **order)
            )
            return browser.post(way, **card("answer_lost", "Crowd"))

        jobs = [lambda n=n: one(n) for n in range(self.many)]
        for start in range(0, self.many, 25):
            yield from self.statuses(at_once(jobs[start : start + 25]))


def main() -> None:
    parser = argparse.ArgumentParser(prog="tests.histories.stampede")
    parser.add_argument("-n", type=int, default=100)
    parser.add_argument("--db", default="sqlite")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="stampede-"))
    env = stage.environment(folder, tables.database(options.db, folder), False)
    with stage.gateway("1", folder, posts=0, gets=0) as gateway:
        port = free_port()
        env["NEXI_BASE_URL"] = f"{gateway}/api/phoenix-0.0/psp/api/v1"
        env["NEXI_PUBLIC_URL"] = f"http://127.0.0.1:{port}"
        os.environ.update(env)
        clerk = tables.set_up()[0]
        shop = stage.Shop(env, folder, port, random.Random(1))
        shop.start(reconciler=False)
        try:
            broken = _all(Crowd(shop.site, gateway, clerk, options.n), env, gateway)
        finally:
            shop.stop()
    for line in broken:
        print("BROKEN", line)
    shutil.rmtree(folder)
    sys.exit(bool(broken))


def _all(crowd: Crowd, env: dict[str, str], gateway: str) -> list[str]:
    broken = []
    for name, play, call in (
        ("50 returns", crowd.fifty_returns, "payment"),
        ("20 checkouts", crowd.twenty_checkouts, "payment"),
        ("5 clicks at the desk", crowd.five_clicks, "moto"),
    ):
        before = _calls(gateway)
        started = time.monotonic()
        seen = Counter(play())
        took = time.monotonic() - started
        after = _calls(gateway)
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
    return broken + crowd.log.errors + _reconcilers(crowd, env, gateway)


def _reconcilers(crowd: Crowd, env: dict[str, str], gateway: str) -> list[str]:
    """Four at once over orders in doubt whose requests died before they looked."""
    from django.utils import timezone

    from nexi_payments import states
    from nexi_payments.models import Event, Operation, PaymentOrder

    list(crowd.in_doubt())
    rows = PaymentOrder.objects.filter(reference__startswith="D-")
    Event.objects.filter(order__in=rows, to_state=states.PAID).delete()
    for order in rows:
        Operation.objects.filter(order=order).update(
            outcome=states.OPEN, open_slot=order.pk, settled_at=None
        )
    rows.update(
        state=states.PAYING,
        captured_amount=0,
        authorized_amount=0,
        due_at=timezone.now(),
        gateway_operation_id="",
    )
    before = _calls(gateway)
    command = [sys.executable, "manage.py", "nexi_reconcile"]
    started = time.monotonic()
    four = [
        subprocess.Popen(command, cwd=stage.ROOT, env=env, stderr=subprocess.DEVNULL)
        for _ in range(4)
    ]
    for one in four:
        one.wait()
    took = time.monotonic() - started
    after = _calls(gateway)
    looks = Counter(
        after[order.order_id]["look"] - before[order.order_id].get("look", 0)
        for order in rows
    )
    states_now = Counter(rows.values_list("state", flat=True))
    money = sum(after[order.order_id].get("moto", 0) for order in rows)
    print(
        f"4 reconcilers, {len(rows)} orders in doubt: {took:.1f} s, looks an order"
        f" {dict(looks)}, states {dict(states_now)}, {money} money calls"
    )
    if dict(looks) != {1: crowd.many} or dict(states_now) != {"paid": crowd.many}:
        return [f"4 reconcilers: {dict(looks)} {dict(states_now)}"]
    return [] if money == crowd.many else [f"4 reconcilers: {money} money calls"]


def _calls(gateway: str) -> dict[str, dict[str, int]]:
    books = requests.get(f"{gateway}/control/books", timeout=60).json()
    calls: dict[str, dict[str, int]] = books["calls"]
    return calls


if __name__ == "__main__":
    main()
