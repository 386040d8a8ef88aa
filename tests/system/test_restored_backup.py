"""A backup is restored, and what docs/operations.md says is done, word for word, while
shoppers pay: nothing is charged or refunded twice, and both books are equal."""

from __future__ import annotations

import io
import re
import shlex
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connections

from nexi_payments import flows
from nexi_payments.card import Card
from nexi_payments.enums import Channel, OrderState
from nexi_payments.exceptions import NexiPaymentsError
from nexi_payments.flows.inquiry import sweeps
from nexi_payments.models import Contract, PaymentOrder
from nexi_payments.simulator import Simulator
from tests.support.both_books import broken_promises, charged_references
from tests.support.concurrency import run_concurrently
from tests.support.contracts import MIT_ENDPOINT, MONTHLY, Clock, make_contract
from tests.support.database_copies import database_copy
from tests.support.in_doubt import DAY, HOUR, LAG, MINUTE
from tests.support.shopper import CARDS, Shopper, new_order

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.seen_on("sqlite", "postgresql"),
    pytest.mark.only_on("sqlite", "postgresql"),
]

ROOT = Path(__file__).resolve().parents[2]
search = sweeps.search  # the gateway fixture has another in its place
SHOPPERS = 3
CLERK = flows.Actor(address="192.0.2.7")


@pytest.fixture(autouse=True)
def terminals(
    change_settings: Any, gateway: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    simulated = {"ENVIRONMENT": "simulator"}
    change_settings(
        TERMINALS={
            "default": {**simulated, "MOTO": True},
            "manual": {**simulated, "CAPTURE": "manual"},
        },
        RATE_LIMITS={},
    )
    monkeypatch.setattr(sweeps, "search", search)


def documented_commands() -> list[list[str]]:
    """The commands of "After a backup was restored", in their order."""
    page = (ROOT / "docs" / "operations.md").read_text()
    section = page.partition("\n## After a backup was restored\n")[2]
    [block] = re.findall(r"```sh\n(.*?)```", section.partition("\n### ")[0], re.DOTALL)
    lines = [shlex.split(line) for line in block.splitlines()]
    assert all(line[:2] == ["python", "manage.py"] for line in lines)
    return [line[2:] for line in lines]


def run(command: list[str]) -> str:
    out = io.StringIO()
    call_command(*command, stdout=out)
    return out.getvalue()


def phone_card() -> Card:
    found = CARDS["challenge"]
    return Card(found.number, found.expiry.replace("/", ""), found.cvv)


class Shop:
    """What the shop does before the backup, and after it."""

    def __init__(self, shopper: Shopper, clock: Clock) -> None:
        self.shopper = shopper
        self.due = make_contract(shopper, terms=MONTHLY, reference="R-e")
        tea = flows.ContractTerms("Tea", customer_id="C-1")
        self.on_demand = make_contract(shopper, terms=tea, reference="R-f")
        clock.advance(29 * DAY + 23 * HOUR)
        flows.reconcile()
        self.refunded, self.refunded_twice = (
            shopper.pay(new_order(reference=f"R-{name}")) for name in ("a", "b")
        )
        flows.refund(self.refunded_twice, "1.00")
        flows.reconcile(self.refunded_twice)
        self.captured, self.cancelled = (
            shopper.pay(new_order(reference=f"R-{name}", terminal="manual"))
            for name in ("c", "d")
        )
        flows.capture(self.cancelled)
        flows.reconcile(self.cancelled)
        clock.advance(HOUR + MINUTE)
        self.unpaid = new_order(reference="R-g")
        self.phoned = flows.create_moto_order(
            amount=Decimal("8.00"),
            currency="EUR",
            reference="R-h",
            terminal="default",
            actor=CLERK,
            customer={"name": "Ada Lovelace"},
        )
        self.at_issuer = new_order(reference="R-i")
        self.form = shopper.start(self.at_issuer)

    def go_on(self) -> None:
        """What the backup does not have."""
        shopper = self.shopper
        flows.refund(self.refunded, "3.00")
        flows.refund(self.refunded_twice, "2.00")
        flows.capture(self.captured, "10.00")
        capture = self.cancelled.operations.get(kind="capture")
        flows.cancel_capture(self.cancelled, capture)
        assert flows.charge_due().charged == 1
        flows.charge_contract(self.on_demand, Decimal("4.00"), "EUR", reference="Tea 1")
        shopper.pay(self.unpaid)
        flows.pay_moto(self.phoned, phone_card(), actor=CLERK)
        shopper.return_from_issuer(self.form, shopper.answer_challenge(self.form))
        for name in ("k", "l", "m"):
            shopper.pay(new_order(reference=f"R-{name}"))
        flows.refund(PaymentOrder.objects.get(reference="R-k"), "5.00")
        make_contract(shopper, terms=MONTHLY, reference="R-n")
        flows.reconcile()


PAID_SINCE = ("R-g", "R-h", "R-i", "R-k", "R-l", "R-m", "R-n")


def test_nothing_is_charged_or_refunded_twice(
    shopper: Shopper, gateway: Simulator, clock: Clock, tmp_path: Path
) -> None:
    shop = Shop(shopper, clock)
    with database_copy(tmp_path) as copy:
        copy.take()
        shop.go_on()
        clock.advance(2 * MINUTE)
        calls = moving_calls(gateway)
        copy.restore()
    # a clerk repeats what is lost, before anybody has done anything
    with pytest.raises(NexiPaymentsError):
        flows.refund(shop.refunded, "12.50")

    def work(place: int) -> None:
        if place == 0:
            said.extend(run(command) for command in documented_commands())
            return
        for number in range(3):
            order = new_order(reference=f"N-{place}-{number}")
            Shopper(gateway).pay(order)

    said: list[str] = []
    run_concurrently(1 + SHOPPERS, work)
    connections.close_all()
    # payments of the shoppers who go on buying may be on their way just then
    totals = r"manual: unknown=6 changed=\d+ unanswered=0"
    assert re.fullmatch(totals, said[0].splitlines()[-1])
    new = {"init": 9, "validation": 9, "payment": 9}  # three of each shopper
    expected = calls + Counter(new)
    assert moving_calls(gateway) == expected
    no_basket_can_be_paid_again(gateway)
    resolve_reviews()
    come_to_rest(clock)
    assert broken_promises(gateway) == []
    assert not [
        name for name, n in Counter(charged_references(gateway)).items() if n > 1
    ]
    assert moving_calls(gateway) == expected
    assert run(["nexi_restore"]).splitlines() == [
        f"{name}: unknown=0 changed=0 unanswered=0" for name in ("default", "manual")
    ]
    order = PaymentOrder.objects.get(reference="R-g")
    assert (order.state, order.captured_amount) == (OrderState.PAID, 1250)
    charge = PaymentOrder.objects.get(channel=Channel.MIT, contract=shop.due)
    assert (charge.state, gateway.counts[MIT_ENDPOINT]) == (OrderState.PAID, 2)


def test_nobody_does_anything(
    shopper: Shopper, gateway: Simulator, clock: Clock, tmp_path: Path
) -> None:
    """The reconciler and the job of the due charges run, as always."""
    shop = Shop(shopper, clock)
    with database_copy(tmp_path) as copy:
        copy.take()
        shop.go_on()
        calls = moving_calls(gateway)
        copy.restore()
    for _ in range(4):
        run(["nexi_charge_due"])
        clock.advance(11 * MINUTE)
        run(["nexi_reconcile"])
    assert moving_calls(gateway) == calls
    no_basket_can_be_paid_again(gateway)
    assert PaymentOrder.objects.get(reference="R-g").state == OrderState.PAID
    assert Contract.objects.get(pk=shop.due.pk).period == 2


def moving_calls(gateway: Simulator) -> Counter[str]:
    """How often each request was sent that moves money or leads to it."""
    found: Counter[str] = Counter()
    for endpoint, count in gateway.counts.items():
        if endpoint.startswith("POST "):
            found[endpoint.rpartition("/")[2]] += count
    return found


def no_basket_can_be_paid_again(gateway: Simulator) -> None:
    for reference in PAID_SINCE:
        [order] = PaymentOrder.objects.filter(reference=reference)
        assert order.live_reference == reference, order
        assert not order.accepts_card
        assert gateway.charge_of(order.order_id) is not None


def resolve_reviews() -> None:
    for order in PaymentOrder.objects.filter(state=OrderState.REVIEW):
        flows.resolve(order, "paid", reason="from before the restore", actor=CLERK)


def come_to_rest(clock: Clock) -> None:
    for wait in (LAG + 1, HOUR, HOUR, DAY):
        clock.advance(wait)
        flows.reconcile()
