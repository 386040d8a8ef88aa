"""What may happen to one basket or one phone order. Every choice is the history's own
dice: the same seed and number play the same piece again."""

from __future__ import annotations

import random
import re
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import requests

from tests.histories import club
from tests.histories.people import Browser, Log, at_once, card, hidden, where

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
_DESK_ENDINGS = {
    "challenge": 8,
    "refund_pending": 3,
    "declined": 3,
    "answer_lost": 2,
    "garbage": 1,
    "pending_then_paid": 2,
    "risk": 1,
}
_DEEDS = re.compile(
    r'<form[^>]*action="[^"]*/(capture|void|refund|cancel)/"[^>]*>(.*?)</form>',
    re.DOTALL,
)
_DESK = "/admin/nexi_payments/paymentorder/moto/"


@dataclass
class History:
    """``settle`` is how long the shop waits, in seconds, before it gives a doubtful
    charge up; ``clerks`` and ``members`` are session cookies."""

    number: int
    seed: str
    site: str
    gateway: str
    log: Log
    clerks: list[dict[str, str]]
    settle: float
    members: list[dict[str, str]]

    def __post_init__(self) -> None:
        self.dice = random.Random(f"{self.seed}/{self.number}")
        self.name = f"History {self.number}"

    def play(self) -> None:
        what = self.dice.random()
        if what < 0.3:
            self.at_the_desk()
        elif what < 0.8:
            self.in_the_shop()
        else:
            club.Club(self).play()

    def browser(self, cookies: dict[str, str]) -> Browser:
        return Browser(self.site, self.log, cookies, self.number)

    def pick(self, weights: dict[str, int]) -> str:
        return self.dice.choices(list(weights), list(weights.values()))[0]

    # -- a shopper ---------------------------------------------------------------------

    def in_the_shop(self) -> None:
        browser = self.browser({})
        for _ in range(self.dice.randint(1, 3)):
            browser.post(f"/basket/{self.dice.randint(1, 4)}/")
        if "sessionid" not in browser.cookies:
            return
        for _ in range(self.dice.choice([1, 1, 2, 3])):
            self.attempt(browser)
            if self.dice.random() < 0.06:
                time.sleep(self.settle * 1.3)
            if self.dice.random() < 0.1:
                browser.post("/basket/1/")  # another basket, the same order

    def attempt(self, browser: Browser) -> None:
        tabs = self.dice.choice([1, 1, 1, 2, 3])
        terminal = self.dice.choice(["default", "two_steps"])
        buy = {"name": self.name, "email": "h@example.com", "terminal": terminal}
        ways = {
            where(answer)
            for answer in at_once([lambda: browser.post("/checkout/", **buy)] * tabs)
        }
        pages = sorted(way for way in ways if "/pay/" in way)
        if not pages or self.dice.random() < 0.04:
            return
        entered = []
        clicks = self.dice.choice([1, 1, 1, 2])
        for way in pages:
            fields = card(self.pick(_SHOP_ENDINGS), self.name)
            entered += [(way, fields)] * clicks
        answers = at_once(
            [
                lambda way=way, fields=fields: browser.post(way, **fields)
                for way, fields in entered
            ]
        )
        for answer in answers:
            if answer is not None and "ReturnUrl" in answer.text:
                self.at_the_bank(browser, hidden(answer.text))
            elif way := where(answer):
                self.look(browser, way)
        self.look(browser, pages[0])

    def at_the_bank(self, browser: Browser, form: dict[str, str]) -> None:
        word = self.pick({"approve": 16, "refuse": 2, "walk_away": 1, "vanish": 2})
        if word == "vanish":
            return
        fields = self.challenge(form["transactionId"], word)
        back = urlsplit(form["ReturnUrl"]).path
        if self.dice.random() < 0.08:
            fields["PaRes"] = "forged"
        if self.dice.random() < 0.05:
            fields["paymentId"] = "123456789012345678"
        times = self.dice.choice([1, 1, 1, 2, 3, 5])
        stranger = self.browser({})  # cross-site: no cookies
        answers = at_once([lambda: stranger.post(back, keep=True, **fields)] * times)
        for answer in answers[:1]:
            if answer is None and self.dice.random() < 0.6:
                answer = stranger.post(back, **fields)  # reload
            if way := where(answer):
                self.look(browser, way)

    def challenge(self, operation: str, word: str) -> dict[str, str]:
        query = f"/control/challenge?id={operation}&answer={word}"
        answer = requests.get(self.gateway + query, timeout=30)
        return dict(answer.json())

    def look(self, browser: Browser, way: str) -> None:
        """Follows to where the shop says, a few pages at most."""
        for _ in range(4):
            answer = browser.get(way)
            onward = where(answer)
            if not onward:
                return
            way = onward

    # -- a clerk -----------------------------------------------------------------------

    def at_the_desk(self) -> None:
        clerks = [self.browser(one) for one in self.clerks]
        one, other = self.dice.sample(clerks, 2)
        together = self.dice.random() < 0.3
        amount = self.dice.randint(500, 20_000)
        order = {
            "amount": f"{amount // 100}.{amount % 100:02}",
            "currency": "EUR",
            "reference": f"R-{self.number}",
            "customer_name": self.name,
            "terminal": self.dice.choice(["moto", "manual", "manual"]),
        }
        nonce = f"{self.dice.getrandbits(128):032x}"
        jobs = [lambda: one.post(_DESK, nonce=nonce, **order)]
        if self.dice.random() < 0.3:
            jobs.append(jobs[0])
        if together:
            jobs.append(lambda: other.post(_DESK, **order))
        ways = {where(answer) for answer in at_once(jobs)} - {""}
        if not ways:
            ways = {where(one.post(_DESK, nonce=nonce, **order))} - {""}
        for way in sorted(ways):
            self.key_a_card(one, other if together else one, way)
            if self.dice.random() < 0.25:
                again = re.sub(r"(card/)?$", "again/", way, count=1)
                if way := where(one.post(again)):
                    self.key_a_card(one, one, way)
            self.look_after(one, other, way)

    def key_a_card(self, one: Browser, other: Browser, way: str) -> None:
        if not way.endswith("/card/"):
            return
        fields = card(self.pick(_DESK_ENDINGS), self.name)
        jobs = [lambda: one.post(way, keep=True, **fields)]
        if self.dice.random() < 0.4:
            jobs.append(lambda: other.post(way, keep=True, **fields))
        if self.dice.random() < 0.15:
            jobs.append(jobs[0])
        answers = at_once(jobs)
        if answers[0] is None and self.dice.random() < 0.6:
            one.post(way, keep=True, **fields)

    def look_after(self, one: Browser, other: Browser, way: str) -> None:
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
            many += 3  # held: parcel by parcel, and back again
        for _ in range(many):
            self.do(one, other, base)

    def do(self, one: Browser, other: Browser, base: str) -> None:
        """One deed of those that the page offers; each capture has forms of its own."""
        page = one.get(base + "change/")
        if page is None:
            return
        forms = _DEEDS.findall(page.text)
        whole = self.dice.random()
        choice = self.dice.random()
        if not forms:
            return
        if whole < 0.8 and any(deed == "capture" for deed, _ in forms):
            # a release would leave nothing to capture in parts
            forms = [one for one in forms if one[0] != "void"]
        deed, inside = sorted(forms)[int(choice * len(forms))]
        fields = hidden(inside)
        seen = float(fields.get("seen", "0"))
        if deed in ("capture", "refund"):
            part = seen if whole < 0.4 else max(0.01, round(seen * whole, 2))
            fields["amount"] = f"{part:.2f}"
        asked = one.post(base + f"{deed}/", **fields)
        if asked is None or asked.status_code != 200:
            return
        sure = {**hidden(asked.text), "confirmed": "1"}
        jobs: list[Any] = [lambda: one.post(base + f"{deed}/", keep=True, **sure)]
        if self.dice.random() < 0.3:
            jobs.append(jobs[0])
        if self.dice.random() < 0.3:
            second = other.post(base + f"{deed}/", **fields)
            if second is not None and second.status_code == 200:
                theirs = {**hidden(second.text), "confirmed": "1"}
                jobs.append(lambda: other.post(base + f"{deed}/", keep=True, **theirs))
        at_once(jobs)
