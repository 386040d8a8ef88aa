"""The steps of a post-charge history. Each runs in a process of its own, which may be
killed at any moment; its outcome is one line of a file.
"""

from __future__ import annotations

import os
import random
import signal
import traceback
from decimal import Decimal
from pathlib import Path

from django.db import DatabaseError, InterfaceError

from nexi_payments import enums, flows, money
from nexi_payments.card import Card
from nexi_payments.exceptions import (
    AmbiguousCapture,
    AmountChanged,
    ExceedsRemaining,
    InvalidState,
    OrderBusy,
    OutcomeNotRecorded,
    TerminalUnavailable,
)
from nexi_payments.flows.availability import Available
from nexi_payments.models import Operation, PaymentOrder
from nexi_payments.simulator import TEST_CARDS
from tests.histories import post_charge_api
from tests.histories.post_charge_plays import Step
from tests.support.waiting import wait_until

#: minor units
AMOUNT = 1000
#: Most amounts are equal ones: operations that look alike must not be mixed up.
_USUAL_AMOUNT = 300
#: What the docstrings of capture, void, refund and cancel_capture name.
DOCUMENTED = (
    AmbiguousCapture,
    AmountChanged,
    ExceedsRemaining,
    InvalidState,
    OrderBusy,
    TerminalUnavailable,
)
#: What the page then says: the server had an error; look at the payment.
_DATABASE_ERRORS = (
    (DatabaseError, InterfaceError, OutcomeNotRecorded)
    if os.environ.get("HISTORIES_DATABASE_FAILS")
    else ()
)


def charge_all(histories: list[tuple[int, str, str]]) -> None:
    """Pays the phone orders: (number of the history, reference, terminal)."""
    test = TEST_CARDS[0]
    for number, reference, terminal in histories:
        name = f"History {number}"
        order = flows.create_moto_order(
            amount=money.to_major(AMOUNT, "EUR"),
            currency="EUR",
            reference=reference,
            terminal=terminal,
            actor=flows.Actor(),
            customer={"name": name},
        )
        card = Card(test.number, test.expiry.replace("/", ""), test.cvv)
        order = flows.pay_moto(order, card, cardholder=name, allow_duplicate=True)
        assert order.is_successful, f"{reference} is {order.state}"


def take(step: Step, results: Path) -> None:
    """Does one action, and appends a line: history, action, what came of it.

    An exception that is not documented is the line "BROKEN", with its last frame.
    """
    reserving = Operation.objects.filter(
        order__reference=step.reference, outcome__in=enums.RESERVING
    )
    wait_until(lambda: not reserving.exists(), step.patience, every=0.3)
    deed = Deed(PaymentOrder.objects.get(reference=step.reference), step)
    # the default action of this signal ends the process as kill -9 does
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, step.dies_after)
    try:
        found = deed()
    except DOCUMENTED as error:
        found = type(error).__name__
    except _DATABASE_ERRORS as error:
        found = type(error).__name__
    except Exception as error:
        traceback.print_exc()
        place = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{Path(place.filename).name}:{place.lineno}"
        found = f"BROKEN {type(error).__name__} in {where}"
    signal.setitimer(signal.ITIMER_REAL, 0)
    line = f"{step.history} {deed.name} {found}\n"
    with results.open("ab", buffering=0) as file:
        file.write(line.encode())


class Deed:
    """What a clerk does: mostly something that the order's page offers."""

    def __init__(self, order: PaymentOrder, step: Step) -> None:
        self.order, self.step = order, step
        self.dice = random.Random(step.seed)
        self.now = flows.available(order)
        deeds = {
            "capture": self.capture,
            "refund": self.refund,
            "void": self.void,
            "cancel": self.cancel,
            "reconcile": self.reconcile,
        }
        offered = _offered(self.now) if self.dice.random() < 0.9 else list(deeds)
        self.name = self.dice.choice([*offered, *offered, "reconcile"])
        self.do = deeds[self.name]
        self.by_api = self.dice.random() < 0.3

    def __call__(self) -> str:
        found = self.do()
        if isinstance(found, Operation):
            return f"{found.amount} {found.outcome}"
        return found or ""

    def amount(self, most: int | None) -> Decimal | None:
        """All that is left, the usual amount, or any."""
        choice = self.dice.choice(("all", "usual", "usual", "any"))
        if choice == "all":
            return None
        if choice == "usual":
            return money.to_major(_USUAL_AMOUNT, "EUR")
        return money.to_major(self.dice.randint(1, max(1, most or 0)), "EUR")

    def call_api(
        self,
        path: str,
        amount: Decimal | None = None,
        capture: Operation | None = None,
    ) -> str:
        name = f"{self.order.order_id}/{path}"
        return post_charge_api.post(name, amount, capture, self.step.nonce)

    def capture(self) -> Operation | str:
        amount = self.amount(self.now.capture)
        if self.by_api:
            return self.call_api("capture", amount)
        return flows.capture(self.order, amount, nonce=self.step.nonce)

    def refund(self) -> Operation | str:
        made = self.now.effective_captures
        chosen = self.dice.choice(made).operation if made else None
        amount = self.amount(self.now.refund)
        if self.by_api:
            return self.call_api("refund", amount, chosen)
        return flows.refund(self.order, amount, chosen, nonce=self.step.nonce)

    def void(self) -> Operation | str:
        if self.by_api:
            return self.call_api("void")
        return flows.void(self.order, nonce=self.step.nonce)

    def cancel(self) -> Operation | str:
        made = self.now.effective_captures
        chosen = self.dice.choice(made).operation if made else None
        if self.by_api:
            return self.call_api("cancel-capture", capture=chosen)
        return flows.cancel_capture(self.order, chosen, nonce=self.step.nonce)

    def reconcile(self) -> str | None:
        if self.by_api:
            return self.call_api("reconcile")
        flows.reconcile(self.order)


def _offered(now: Available) -> list[str]:
    offered = {
        "capture": now.capture,
        "refund": now.refund,
        "void": now.void,
        "cancel": any(one.cancel for one in now.effective_captures),
    }
    return [name for name, possible in offered.items() if possible]
