"""Random plays of one purchase on Nexi's hosted page: tabs with other methods, a card
beside it, lost notifications, returns that never come, money that comes late."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

import requests
from django.utils import timezone

from nexi_payments.models import PaymentOrder
from nexi_payments.testing.forms import redirect_target
from tests.histories import processes
from tests.histories.http_clients import Shopper, run_concurrently

if TYPE_CHECKING:
    from tests.histories.scenarios import History

_METHODS = ("PAYPAL", "BANCOMATPAY", "GOOGLEPAY", "MYBANK")
_ENDINGS = {"pay": 12, "decline": 3, "cancel": 2, "leave": 1, "close": 2, "pending": 2}
_NOTIFY = {"before": 3, "after": 4, "twice": 2, "never": 4, "forged": 1, "foreign": 1}
_PAGE = "paymentid="


class HostedPlay:
    def __init__(self, history: History) -> None:
        self.history = history
        self.dice = history.dice
        #: pages that were opened, each with the order id; a page is paid once at most
        self.open_pages: list[str] = []

    def play(self) -> None:
        shopper = self.history.shopper({})
        for _ in range(self.dice.randint(1, 3)):
            shopper.post(f"/basket/{self.dice.randint(1, 4)}/")
        if "sessionid" not in shopper.browser.cookies:
            return
        for _ in range(self.dice.choice([1, 1, 2, 3])):
            self.attempt(shopper)
            if self.dice.random() < 0.15:
                time.sleep(processes.EXPIRE * 1.1)  # our own expiry
            if self.dice.random() < 0.1:
                shopper.post("/basket/1/")  # another cart, the same order
        for page in list(self.open_pages):
            if self.dice.random() < 0.4:
                self.visit(shopper, page)  # a tab that was left open

    def attempt(self, shopper: Shopper) -> None:
        name = self.history.name
        answer = shopper.post(
            "/checkout/", name=name, email="h@example.com", terminal="default"
        )
        way = redirect_target(answer)
        if "/pay/" not in way:
            return
        jobs: list[Any] = []
        for _ in range(self.dice.choice([1, 1, 2, 3])):  # tabs
            method = self.dice.choice(_METHODS)
            jobs.append(partial(shopper.post, way, method=method))
        if self.dice.random() < 0.3:
            typed = self.history.typed_in()
            jobs.append(partial(shopper.submit_card, way, "frictionless", **typed))
        answers = run_concurrently(jobs)
        pages = [
            redirect_target(one).partition(_PAGE)[2]
            for one in answers
            if _PAGE in redirect_target(one)
        ]
        self.open_pages += pages
        rest = [one for one in answers if _PAGE not in redirect_target(one)]
        visits = [partial(self.visit, shopper, page) for page in pages]
        if visits and self.dice.random() < 0.5:
            run_concurrently(visits)
        elif visits:
            visits[0]()
        self.history.after_the_card(shopper, rest)

    def visit(self, shopper: Shopper, page: str) -> None:
        """Does something on the hosted page, perhaps twice, and comes back, perhaps."""
        for _ in range(self.dice.choice([1, 1, 2])):
            ending = self.history.pick(_ENDINGS)
            back = self.on_the_page(page, ending)
            path = urlsplit(back).path if back else ""
            if path and self.dice.random() < 0.6:
                times = self.dice.choice([1, 1, 2])
                jobs = [partial(shopper.get, path)] * times
                for answer in run_concurrently(jobs)[:1]:
                    if way := redirect_target(answer):
                        self.history.follow(shopper, way)
            if ending in ("pay", "pending"):
                if page in self.open_pages:
                    self.open_pages.remove(page)
                return

    def on_the_page(self, page: str, ending: str) -> str:
        query = {"page": page, "ending": ending}
        query["notify"] = self.history.pick(_NOTIFY)
        url = f"{self.history.gateway}/control/hosted?{urlencode(query)}"
        return str(requests.get(url, timeout=60).json()["return_url"])


def look_at_failed_pages() -> int:
    """Makes every page due that may still be paid, as a notification would. Returns how
    many there are."""
    rows = PaymentOrder.objects.exclude(method="").filter(state="failed")
    return rows.update(next_poll_at=timezone.now())
