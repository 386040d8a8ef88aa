"""A member of the coffee club pays a first box and saves the card. Later charges are
recurring or started by a clerk, while workers and chargers are killed."""

from __future__ import annotations

import re
import time
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from django.db.models import F
from django.utils import timezone

from nexi_payments.models import Contract, PaymentOrder
from nexi_payments.testing.forms import redirect_target
from tests.histories.http_clients import run_concurrently
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from tests.histories.scenarios import History

_FIRST_PAYMENT_ENDINGS = {
    "challenge": 10,
    "frictionless": 4,
    "refund_pending": 2,
    "declined": 1,
    "answer_lost": 2,
    "pending_then_paid": 2,
    "mit_declined": 3,
    "mit_lost_card": 2,
    "mit_answer_lost": 3,
    "mit_pending": 3,
}
_ACTIONS = {"due": 8, "by hand": 8, "resume": 2, "look after": 5, "end": 3, "leave": 1}
_CONTRACTS_URL = "/admin/nexi_payments/contract/"


class ContractScenario:
    """Part of a history, with its random generator."""

    def __init__(self, history: History) -> None:
        self.history, self.dice = history, history.dice
        cookies = history.members[history.number % len(history.members)]
        self.member = history.shopper(cookies)
        clerks = [history.clerk(one) for one in history.clerks]
        self.one, self.other = self.dice.sample(clerks, 2)

    def play(self) -> None:
        for _ in range(6):  # until a member saves a card
            contract = self.join()
            if contract is not None:
                self.live(contract)
                if contract.is_usable:
                    return

    def join(self) -> Contract | None:
        """Makes the first payment; returns its contract, in any state."""
        way = redirect_target(
            self.member.post("/cards/join/") or self.member.post("/cards/join/")
        )
        found = re.search(r"/pay/([0-9a-f]{32})", way)
        if not found:
            return None
        ending = self.history.pick(_FIRST_PAYMENT_ENDINGS)
        typed = {**self.history.typed_in(), "agree": "on"}
        card = partial(self.member.submit_card, way, ending, **typed)
        answers = run_concurrently([card] * self.dice.choice([1, 1, 2]))
        if answers == [None]:
            answers = [card()]  # cut: the page again
        self.history.after_the_card(self.member, answers)
        order = PaymentOrder.objects.filter(public_id=found[1]).first()
        return order.contract if order else None

    def live(self, contract: Contract) -> None:
        many = self.dice.choice([2, 3, 4, 5, 6, 7])
        for _ in range(many if contract.is_usable else self.dice.choice([0, 0, 1])):
            deed = self.history.pick(_ACTIONS)
            {
                "due": self.shift_period,
                "by hand": self.by_hand,
                "resume": self.resume,
                "look after": self.look_after,
                "end": self.end,
                "leave": self.leave,
            }[deed](contract)

    def shift_period(self, contract: Contract) -> None:
        """The clock of this one contract: as if it had been made a period earlier."""
        rows = Contract.objects.filter(pk=contract.pk, next_charge_at__isnull=False)
        rows.update(
            billing_anchor=F("billing_anchor")
            - timedelta(days=contract.frequency or 0),
            next_charge_at=timezone.now(),
        )
        due = rows.filter(next_charge_at__lte=timezone.now())
        # a charger takes it up, or the member goes on before one does
        wait_until(lambda: not due.exists(), self.dice.uniform(0, 2))

    def by_hand(self, contract: Contract) -> None:
        """One charge, submitted by one clerk or by two, for one reference."""
        number = self.dice.randint(1, 3)
        minor = self.dice.randint(100, 9_000)
        fields = {
            "amount": f"{minor // 100}.{minor % 100:02}",
            "reference": f"{contract.contract_id} by hand {number}",
            "confirmed": "1",
        }
        way = f"{_CONTRACTS_URL}{contract.pk}/charge/"
        jobs: list[Any] = [lambda: self.one.post(way, **fields)]
        if self.dice.random() < 0.3:
            jobs.append(jobs[0])
        if self.dice.random() < 0.3:
            jobs.append(lambda: self.other.post(way, **fields))
        run_concurrently(jobs)

    def resume(self, contract: Contract) -> None:
        self.one.post(f"{_CONTRACTS_URL}{contract.pk}/resume/")

    def look_after(self, contract: Contract) -> None:
        """Actions of staff on one of its payments."""
        payments = list(contract.payments.order_by("pk").values_list("pk", flat=True))
        pk = self.dice.choice(payments)
        base = f"/admin/nexi_payments/paymentorder/{pk}/"
        self.history.run_staff_action(self.one, self.other, base)

    def end(self, contract: Contract) -> None:
        way = f"{_CONTRACTS_URL}{contract.pk}/end/"
        jobs: list[Any] = [lambda: self.one.post(way, confirmed="1")]
        if self.dice.random() < 0.3:
            jobs.append(lambda: self.other.post(way, confirmed="1"))
        if self.dice.random() < 0.4:
            jobs.append(lambda: self.by_hand(contract))  # at the same moment
        self._record_end(contract, run_concurrently(jobs)[0])

    def leave(self, contract: Contract) -> None:
        answer = self.member.post(f"/cards/{contract.contract_id}/end/")
        self._record_end(contract, answer)

    def _record_end(self, contract: Contract, answer: Any) -> None:
        """A redirect back says that nothing is charged from now on; not one to where
        a name and password are asked for."""
        way = redirect_target(answer)
        if not way or "login" in urlsplit(way).path:
            return
        log = self.history.log
        with log.lock:
            log.ended_contracts.setdefault(contract.contract_id, time.time())
