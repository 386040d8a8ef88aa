"""A member of the coffee club: pays a first box, keeps the card on file, and is charged
later, by the plan and by hand, while workers and chargers are killed."""

from __future__ import annotations

import re
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from django.db import connections
from django.db.models import F
from django.utils import timezone

from nexi_payments.models import Contract, PaymentOrder
from tests.histories.people import at_once, card, hidden, where

if TYPE_CHECKING:
    from tests.histories.plays import History

_KEPT = {
    "challenge": 10,
    "frictionless": 4,
    "refund_pending": 2,
    "declined": 1,
    "answer_lost": 2,
    "pending_then_paid": 2,
    "later_no_money": 3,
    "later_lost_card": 2,
    "later_answer_lost": 3,
    "later_pending": 3,
}
_DEEDS = {"due": 8, "by hand": 8, "resume": 2, "look after": 5, "end": 3, "leave": 1}
_FILE = "/admin/nexi_payments/contract/"


class Club:
    """Part of a history, with its dice."""

    def __init__(self, history: History) -> None:
        self.history, self.dice = history, history.dice
        cookies = history.members[history.number % len(history.members)]
        self.member = history.browser(cookies)
        clerks = [history.browser(one) for one in history.clerks]
        self.one, self.other = self.dice.sample(clerks, 2)

    def play(self) -> None:
        try:
            for _ in range(6):  # a member who wants to be one
                contract = self.join()
                if contract is not None:
                    self.live(contract)
                    if contract.is_usable:
                        return
        finally:
            connections.close_all()

    def join(self) -> Contract | None:
        """The first payment; the contract it asked for, whatever became of it."""
        way = where(
            self.member.post("/cards/join/") or self.member.post("/cards/join/")
        )
        found = re.search(r"/pay/([0-9a-f]{32})", way)
        if not found:
            return None
        ending = self.history.pick(_KEPT)
        fields = {**card(ending, self.history.name), "agree": "on"}
        clicks = self.dice.choice([1, 1, 2])
        answers = at_once([lambda: self.member.post(way, **fields)] * clicks)
        if answers == [None]:
            answers = [self.member.post(way, **fields)]  # cut: the page again
        for answer in answers:
            if answer is not None and "ReturnUrl" in answer.text:
                self.history.at_the_bank(self.member, hidden(answer.text))
            elif onward := where(answer):
                self.history.look(self.member, onward)
        order = PaymentOrder.objects.filter(public_id=found[1]).first()
        return order.contract if order else None

    def live(self, contract: Contract) -> None:
        many = self.dice.choice([2, 3, 4, 5, 6, 7])
        for _ in range(many if contract.is_usable else self.dice.choice([0, 0, 1])):
            deed = self.history.pick(_DEEDS)
            {
                "due": self.a_period_passes,
                "by hand": self.by_hand,
                "resume": self.resume,
                "look after": self.look_after,
                "end": self.end,
                "leave": self.leave,
            }[deed](contract)

    def a_period_passes(self, contract: Contract) -> None:
        """The clock of this one contract: as if it had been made a period earlier."""
        rows = Contract.objects.filter(pk=contract.pk, due_at__isnull=False)
        rows.update(
            planned_from=F("planned_from") - timedelta(days=contract.frequency or 0),
            due_at=timezone.now(),
        )
        time.sleep(self.dice.uniform(0, 2))

    def by_hand(self, contract: Contract) -> None:
        """One charge, with clicks from one and from two clerks for one reference."""
        number = self.dice.randint(1, 3)
        minor = self.dice.randint(100, 9_000)
        fields = {
            "amount": f"{minor // 100}.{minor % 100:02}",
            "reference": f"{contract.contract_id} by hand {number}",
            "confirmed": "1",
        }
        way = f"{_FILE}{contract.pk}/charge/"
        jobs: list[Any] = [lambda: self.one.post(way, **fields)]
        if self.dice.random() < 0.3:
            jobs.append(jobs[0])
        if self.dice.random() < 0.3:
            jobs.append(lambda: self.other.post(way, **fields))
        at_once(jobs)

    def resume(self, contract: Contract) -> None:
        self.one.post(f"{_FILE}{contract.pk}/resume/")

    def look_after(self, contract: Contract) -> None:
        """Deeds of staff on one of its payments."""
        payments = list(contract.payments.order_by("pk").values_list("pk", flat=True))
        pk = self.dice.choice(payments)
        base = f"/admin/nexi_payments/paymentorder/{pk}/"
        self.history.do(self.one, self.other, base)

    def end(self, contract: Contract) -> None:
        way = f"{_FILE}{contract.pk}/end/"
        jobs: list[Any] = [lambda: self.one.post(way, confirmed="1")]
        if self.dice.random() < 0.3:
            jobs.append(lambda: self.other.post(way, confirmed="1"))
        if self.dice.random() < 0.4:
            jobs.append(lambda: self.by_hand(contract))  # at the same moment
        self._is_over(contract, at_once(jobs)[0])

    def leave(self, contract: Contract) -> None:
        answer = self.member.post(f"/cards/{contract.contract_id}/end/")
        self._is_over(contract, answer)

    def _is_over(self, contract: Contract, answer: Any) -> None:
        """A redirect back says that nothing is charged from now on; not one to where
        a name and password are asked for."""
        way = where(answer)
        if not way or "login" in urlsplit(way).path:
            return
        log = self.history.log
        with log.lock:
            log.over.setdefault(contract.contract_id, time.time())
