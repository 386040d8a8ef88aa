"""Random plays of one purchase or one phone order. All choices come from the history's
own random generator: the same seed and number repeat the same play."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from functools import partial
from typing import Any

import requests
from django.db import connections

from nexi_payments import enums
from nexi_payments.models import PaymentOrder
from nexi_payments.testing.forms import Form, hidden_fields, parse_form, redirect_target
from tests.histories import contract_scenarios, hosted_plays
from tests.histories.http_clients import (
    Browser,
    Clerk,
    RunLog,
    Shopper,
    run_concurrently,
)
from tests.support.waiting import wait_until

_SHOP_ENDINGS = {
    "challenge": 10,
    "frictionless": 8,
    "declined": 3,
    "excess_reattempts": 1,
    "validation_failed": 1,
    "answer_lost": 2,
    "garbage": 1,
    "pending_then_paid": 2,
    "gateway_down": 1,
    "not_enrolled": 1,
    "risk": 1,
}
_PHONE_ORDER_ENDINGS = {
    "challenge": 8,
    "refund_pending": 3,
    "declined": 3,
    "answer_lost": 2,
    "garbage": 1,
    "pending_then_paid": 2,
    "risk": 1,
}
_ACTION_FORMS = re.compile(
    r'<form[^>]*action="[^"]*/(capture|void|refund|cancel)/"[^>]*>(.*?)</form>',
    re.DOTALL,
)


@dataclass
class History:
    """``settle`` is the shop's ``SETTLE_AFTER`` in seconds; ``clerks`` and ``members``
    are session cookies.
    """

    number: int
    seed: str
    site: str
    gateway: str
    log: RunLog
    clerks: list[dict[str, str]]
    settle: float
    members: list[dict[str, str]]
    #: every history is one of Nexi's hosted page
    hosted: bool = False

    def __post_init__(self) -> None:
        self.dice = random.Random(f"{self.seed}/{self.number}")
        self.name = f"History {self.number}"

    def play(self) -> None:
        what = self.dice.random()
        try:
            if self.hosted or 0.7 < what < 0.8:
                hosted_plays.HostedPlay(self).play()
            elif what < 0.3:
                self.phone_order()
            elif what < 0.8:
                self.shop_order()
            else:
                contract_scenarios.ContractScenario(self).play()
        finally:
            connections.close_all()

    def shopper(self, cookies: dict[str, str]) -> Shopper:
        return Shopper(Browser(self.site, self.log, cookies, self.number))

    def clerk(self, cookies: dict[str, str]) -> Clerk:
        return Clerk(Browser(self.site, self.log, cookies, self.number))

    def pick(self, weights: dict[str, int]) -> str:
        return self.dice.choices(list(weights), list(weights.values()))[0]

    # -- a shopper ---------------------------------------------------------------------

    def shop_order(self) -> None:
        shopper = self.shopper({})
        for _ in range(self.dice.randint(1, 3)):
            shopper.post(f"/basket/{self.dice.randint(1, 4)}/")
        if "sessionid" not in shopper.browser.cookies:
            return
        for _ in range(self.dice.choice([1, 1, 2, 3])):
            self.attempt(shopper)
            if self.dice.random() < 0.06:
                self.wait_until_settled()
            if self.dice.random() < 0.1:
                shopper.post("/basket/1/")  # another cart, the same order

    def wait_until_settled(self) -> None:
        """Returns when every attempt has ended, or when a charge in doubt must have."""
        attempts = PaymentOrder.objects.filter(customer_name=self.name)
        unsettled = attempts.exclude(state__in=enums.FINAL)
        wait_until(lambda: not unsettled.exists(), self.settle * 1.3)

    def attempt(self, shopper: Shopper) -> None:
        tabs = self.dice.choice([1, 1, 1, 2, 3])
        terminal = self.dice.choice(["default", "two_steps"])
        buy = {"name": self.name, "email": "h@example.com", "terminal": terminal}
        ways = {
            redirect_target(answer)
            for answer in run_concurrently(
                [lambda: shopper.post("/checkout/", **buy)] * tabs
            )
        }
        pages = sorted(way for way in ways if "/pay/" in way)
        if not pages or self.dice.random() < 0.04:
            return
        clicks = self.dice.choice([1, 1, 1, 2])
        cards: list[Any] = []
        for way in pages:
            card = partial(shopper.submit_card, way, self.pick(_SHOP_ENDINGS))
            cards += [partial(card, **self.typed_in())] * clicks
        self.after_the_card(shopper, run_concurrently(cards))
        self.follow(shopper, pages[0])

    def typed_in(self) -> dict[str, str]:
        """What every card form is given beside a test card."""
        return {"cardholder_name": self.name, "allow_duplicate": "on"}

    def after_the_card(self, shopper: Shopper, answers: list[Any]) -> None:
        """Goes where each answer of the card page leads: to the issuer, or on."""
        for answer in answers:
            form = parse_form(answer)
            if form.is_challenge:
                self.answer_challenge(shopper, form)
            elif way := redirect_target(answer):
                self.follow(shopper, way)

    def answer_challenge(self, shopper: Shopper, form: Form) -> None:
        word = self.pick({"approve": 16, "refuse": 2, "walk_away": 1, "vanish": 2})
        if word == "vanish":
            return
        fields = self.challenge(form.operation_id, word)
        if self.dice.random() < 0.08:
            fields["PaRes"] = "forged"
        if self.dice.random() < 0.05:
            fields["paymentId"] = "123456789012345678"
        times = self.dice.choice([1, 1, 1, 2, 3, 5])
        answers = run_concurrently(
            [lambda: shopper.return_from_issuer(form, fields)] * times
        )
        for answer in answers[:1]:
            if answer is None and self.dice.random() < 0.6:
                answer = shopper.return_from_issuer(form, fields)  # reload
            if way := redirect_target(answer):
                self.follow(shopper, way)

    def challenge(self, operation: str, word: str) -> dict[str, str]:
        query = f"/control/challenge?id={operation}&answer={word}"
        answer = requests.get(self.gateway + query, timeout=30)
        return dict(answer.json())

    def follow(self, shopper: Shopper, way: str) -> None:
        """Follows to where the shop says, a few pages at most."""
        for _ in range(4):
            answer = shopper.get(way)
            onward = redirect_target(answer)
            if not onward:
                return
            way = onward

    # -- a clerk -----------------------------------------------------------------------

    def phone_order(self) -> None:
        clerks = [self.clerk(one) for one in self.clerks]
        one, other = self.dice.sample(clerks, 2)
        together = self.dice.random() < 0.3
        amount = self.dice.randint(500, 20_000)
        order = {
            "amount": f"{amount // 100}.{amount % 100:02}",
            "currency": "EUR",
            "reference": f"R-{self.number}",
            "customer_name": self.name,
            "customer_email": "",
            "terminal": self.dice.choice(["moto", "manual", "manual"]),
        }
        nonce = f"{self.dice.getrandbits(128):032x}"
        jobs = [lambda: one.create_order(nonce=nonce, **order)]
        if self.dice.random() < 0.3:
            jobs.append(jobs[0])
        if together:
            jobs.append(lambda: other.create_order(**order))
        ways = {redirect_target(answer) for answer in run_concurrently(jobs)} - {""}
        if not ways:
            ways = {redirect_target(one.create_order(nonce=nonce, **order))} - {""}
        for way in sorted(ways):
            self.submit_card(one, other if together else one, way)
            if self.dice.random() < 0.25:
                again = re.sub(r"(card/)?$", "retry/", way, count=1)
                if way := redirect_target(one.post(again)):
                    self.submit_card(one, one, way)
            self.run_staff_actions(one, other, way)

    def submit_card(self, one: Clerk, other: Clerk, way: str) -> None:
        if not way.endswith("/card/"):
            return
        ending, typed = self.pick(_PHONE_ORDER_ENDINGS), self.typed_in()
        jobs = [lambda: one.submit_card(way, ending, **typed)]
        if self.dice.random() < 0.4:
            jobs.append(lambda: other.submit_card(way, ending, **typed))
        if self.dice.random() < 0.15:
            jobs.append(jobs[0])
        answers = run_concurrently(jobs)
        if answers[0] is None and self.dice.random() < 0.6:
            one.submit_card(way, ending, **typed)

    def run_staff_actions(self, one: Clerk, other: Clerk, way: str) -> None:
        """Captures, a void, refunds: in parts, twice, from two browsers."""
        if not way:
            return
        answer = one.get(re.sub(r"card/$", "", way))
        found = answer and re.search(r"paymentorder/(\d+)/change", answer.text)
        if not found:
            return
        base = f"/admin/nexi_payments/paymentorder/{found[1]}/"
        many = self.dice.choice([0, 1, 2, 3, 4])
        page = one.get(base + "change/")
        if page is not None and "/capture/" in page.text:
            many += 3  # authorized: partial captures and refunds
        for _ in range(many):
            self.run_staff_action(one, other, base)

    def run_staff_action(self, one: Clerk, other: Clerk, base: str) -> None:
        """One action that the page offers; each capture has forms of its own."""
        page = one.get(base + "change/")
        if page is None:
            return
        forms = _ACTION_FORMS.findall(page.text)
        whole = self.dice.random()
        choice = self.dice.random()
        if not forms:
            return
        if whole < 0.8 and any(deed == "capture" for deed, _ in forms):
            # a void would leave nothing to capture in parts
            forms = [one for one in forms if one[0] != "void"]
        deed, inside = sorted(forms)[int(choice * len(forms))]
        fields = hidden_fields(inside)
        seen = float(fields.get("expected_remaining", "0"))
        if deed in ("capture", "refund"):
            part = seen if whole < 0.4 else max(0.01, round(seen * whole, 2))
            fields["amount"] = f"{part:.2f}"
        asked = one.post(base + f"{deed}/", **fields)
        if asked is None or asked.status_code != 200:
            return
        sure = {**hidden_fields(asked.text), "confirmed": "1"}
        jobs: list[Any] = [lambda: one.post(base + f"{deed}/", **sure)]
        if self.dice.random() < 0.3:
            jobs.append(jobs[0])
        if self.dice.random() < 0.3:
            second = other.post(base + f"{deed}/", **fields)
            if second is not None and second.status_code == 200:
                theirs = {**hidden_fields(second.text), "confirmed": "1"}
                jobs.append(lambda: other.post(base + f"{deed}/", **theirs))
        run_concurrently(jobs)
