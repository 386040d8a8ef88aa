"""Random lifecycles of payments: cards, challenges, phone orders, captures, refunds,
lost and late responses, time. After each step our ledger agrees with the gateway as far
as it can; after everything has settled, completely."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.utils import timezone
from hypothesis import settings, strategies
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from nexi_payments import enums, flows, money
from nexi_payments.card import Card
from nexi_payments.enums import OperationKind, OrderState
from nexi_payments.exceptions import NexiPaymentsError
from nexi_payments.flows import moto
from nexi_payments.models import Contract, Discrepancy, Event, Operation, PaymentOrder
from nexi_payments.models.sealed_card import SealedCard
from nexi_payments.simulator import TEST_CARDS, Charge, Simulator
from tests.support.contract_rules import ContractRules, assert_captures_match
from tests.support.fault_injection import FaultyGateway
from tests.support.shopper import CARDS, Form, Shopper, parse_form

pytestmark = pytest.mark.django_db(transaction=True)

GOOD = ["challenge", "frictionless", "answer_lost", "pending_then_paid"]
ENDINGS = strategies.sampled_from(
    GOOD * 5 + ["refund_pending"] * 3 + sorted({card.ending for card in TEST_CARDS})
)
BASKETS = strategies.sampled_from(["A", "B", "C", "D"])
FAULTS = strategies.sampled_from(
    ["", "", "", "", "answer lost", "500", "400", "429", "unsent", "late", "half"]
)
ANSWERS = strategies.sampled_from(
    ["approve", "approve", "refuse", "walk_away", "forge"]
)
WHICH = strategies.none() | strategies.integers(0, 3)
AMOUNTS = strategies.none() | strategies.integers(1, 1400)
WAITS = strategies.sampled_from([5, 40, 300, 1000, 4000, 2 * 86_400])
_FREE = (OrderState.REVIEW, OrderState.VOIDED, OrderState.REFUNDED)


class Life(ContractRules, RuleBasedStateMachine):
    gateway: Simulator
    real: Any

    @initialize()
    def open_shop(self) -> None:
        Event.objects.all().delete()
        Discrepancy.objects.all().delete()
        SealedCard.objects.all().delete()
        Operation.objects.update(capture=None)
        Operation.objects.all().delete()
        PaymentOrder.objects.update(retry_of=None)
        PaymentOrder.objects.all().delete()
        Contract.objects.all().delete()
        self.gateway.reset()
        self.gateway.handle = self.real  # type: ignore[method-assign]
        self.wire = FaultyGateway(self.gateway)
        self.shopper = Shopper(self.gateway)
        self.forms: list[Form] = []
        self.clock = time_machine.travel(timezone.now(), tick=True)
        self.time = self.clock.start()

    # -- what may happen ---------------------------------------------------------------

    @rule(
        basket=BASKETS,
        ending=ENDINGS,
        terminal=strategies.sampled_from(["default", "two", "manual"]),
        fault=FAULTS,
    )
    def enter(self, basket: str, ending: str, terminal: str, fault: str) -> None:
        self.enter_for(self.order(basket, terminal), ending, fault)

    def enter_for(self, order: PaymentOrder | None, ending: str, fault: str) -> None:
        if order is None or not order.accepts_card:
            return
        self.wire.fail_next(fault, "/init")
        # the tick is asked for where there is a contract, and means nothing elsewhere
        answer = self.shopper.submit_card(order, ending, agree="on")
        self.wire.fail_next("", "")
        if answer.status_code == 200 and b"ReturnUrl" in answer.content:
            self.forms.append(parse_form(answer))

    @rule(
        basket=BASKETS,
        ending=ENDINGS,
        terminal=strategies.sampled_from(["default", "two", "manual"]),
        answer=ANSWERS,
        fault=FAULTS,
        part=strategies.sampled_from(["steps/payment", "steps/payment", "/validation"]),
    )
    def pay(
        self,
        basket: str,
        ending: str,
        terminal: str,
        answer: str,
        fault: str,
        part: str,
    ) -> None:
        known = len(self.forms)
        self.enter(basket, ending, terminal, "")
        if len(self.forms) > known:
            self.come_back(known, answer, fault, part, 1)

    @rule(
        which=strategies.integers(0, 5),
        answer=ANSWERS,
        fault=FAULTS,
        part=strategies.sampled_from(["steps/payment", "steps/payment", "/validation"]),
        times=strategies.integers(1, 2),
    )
    def come_back(
        self, which: int, answer: str, fault: str, part: str, times: int
    ) -> None:
        if not self.forms:
            return
        form = self.forms[which % len(self.forms)]
        word = "approve" if answer == "forge" else answer
        fields = self.gateway.answer_challenge(form.fields["transactionId"], word)
        if answer == "forge":
            fields["PaRes"] = "forged"
        self.wire.fail_next(fault, part)
        for _ in range(times):
            assert self.shopper.return_from_issuer(form, fields).status_code == 303
        self.wire.fail_next("", "")

    @rule(basket=BASKETS, ending=ENDINGS, fault=FAULTS)
    def by_phone(self, basket: str, ending: str, fault: str) -> None:
        order = self.order(basket, "moto")
        if order is None or order.state != OrderState.INIT:
            return
        card = CARDS[ending]
        self.wire.fail_next(fault, "/moto")
        month, year = card.expiry.split("/")
        moto.pay_moto(
            order,
            Card(card.number, month + year, card.cvv),
            cardholder="Giulia",
            allow_duplicate=True,
        )
        self.wire.fail_next("", "")

    @rule(basket=BASKETS, minor=AMOUNTS, fault=FAULTS)
    def capture(self, basket: str, minor: int | None, fault: str) -> None:
        self.afterwards(flows.capture, basket, minor, fault)

    @rule(basket=BASKETS, minor=AMOUNTS, fault=FAULTS, which=WHICH)
    def refund(
        self, basket: str, minor: int | None, fault: str, which: int | None
    ) -> None:
        self.afterwards(flows.refund, basket, minor, fault, which)

    @rule(basket=BASKETS, fault=FAULTS)
    def void(self, basket: str, fault: str) -> None:
        self.afterwards(flows.void, basket, None, fault)

    @rule(basket=BASKETS, fault=FAULTS, which=WHICH)
    def cancel(self, basket: str, fault: str, which: int | None) -> None:
        self.afterwards(flows.cancel_capture, basket, None, fault, which)

    @rule(
        basket=BASKETS,
        ending=strategies.sampled_from(["challenge", "refund_pending", "answer_lost"]),
        parts=strategies.lists(strategies.integers(1, 1250), min_size=2, max_size=4),
    )
    def ship_in_parts(self, basket: str, ending: str, parts: list[int]) -> None:
        """Authorized, then captured in parts, as far as possible."""
        self.pay(basket, ending, "manual", "approve", "", "")
        for minor in parts:
            self.afterwards(flows.capture, basket, minor, "")

    def afterwards(
        self,
        verb: Any,
        basket: str,
        minor: int | None,
        fault: str,
        which: int | None = None,
    ) -> None:
        """``which`` of its captures is named; ``None``: the flow is to find out."""
        rows = PaymentOrder.objects.filter(state__in=(*enums.SUCCESSFUL, "review"))
        order = rows.filter(reference=basket).last() or rows.last()
        if order is None:
            return
        facts: dict[str, Any] = {}
        if minor is not None:
            facts["amount"] = money.to_major(minor, "EUR")
        made = flows.available(order).effective_captures
        if which is not None and made:
            facts["capture"] = made[which % len(made)].operation
        parts = {flows.capture: "/captures", flows.cancel_capture: "/cancels"}
        self.wire.fail_next(fault, parts.get(verb, "/refunds"))
        before = self.requests
        try:
            verb(order, **facts)
        except NexiPaymentsError:
            assert self.requests == before
        self.wire.fail_next("", "")

    @property
    def requests(self) -> int:
        """How many requests that may move money have reached the gateway."""
        counts = self.gateway.counts.items()
        return sum(count for name, count in counts if name.startswith("POST"))

    @rule(basket=BASKETS, again=strategies.booleans())
    def money_comes_late(self, basket: str, again: bool) -> None:
        """Failed, perhaps paid by another attempt meanwhile, then charged late."""
        self.pay(basket, "challenge", "default", "approve", "late", "steps/payment")
        for _ in range(2):
            self.time_passes(1000, "", False)
        if again:
            self.pay(basket, "frictionless", "two", "approve", "", "")
        self.wire.deliver_delayed()

    @rule(seconds=WAITS, fault=FAULTS, catch_up=strategies.booleans())
    def time_passes(self, seconds: int, fault: str, catch_up: bool) -> None:
        if catch_up:
            self.wire.deliver_delayed()
        self.time.shift(timedelta(seconds=seconds))
        self.wire.fail_next(
            fault if fault not in ("late", "answer lost") else "", "/orders/"
        )
        flows.reconcile()
        self.wire.fail_next("", "")

    @rule(state=strategies.sampled_from([OrderState.PAID, OrderState.FAILED]))
    def resolve(self, state: str) -> None:
        order = PaymentOrder.objects.filter(state=OrderState.REVIEW).first()
        if order is None:
            return
        try:
            flows.resolve(order, state, reason="looked into")
        except NexiPaymentsError:
            order.refresh_from_db()
            assert order.state == OrderState.REVIEW

    def order(self, basket: str, terminal: str) -> PaymentOrder | None:
        facts: Any = {"amount": Decimal("12.50"), "currency": "EUR"}
        try:
            if terminal == "moto":
                return moto.create_moto_order(
                    reference=basket, terminal=terminal, actor=flows.Actor(), **facts
                )
            return flows.create_order(reference=basket, terminal=terminal, **facts)
        except NexiPaymentsError:
            return None

    # -- what must hold ----------------------------------------------------------------

    @invariant()
    def the_books_agree(self) -> None:
        standing: Counter[str] = Counter()
        for order in PaymentOrder.objects.all():
            charge = self.gateway.charge_of(order.order_id)
            charged = charge is not None and charge.result in ("EXECUTED", "AUTHORIZED")
            assert self.wire.charge_requests[order.order_id] <= 1
            if charge is None or not charged:
                assert order.state not in enums.SUCCESSFUL
                assert order.captured_amount == 0
                continue
            self.one_order(order, charge)
            if order.state in enums.LIVE:
                standing[str(order.reference)] += 1
        assert all(count == 1 for count in standing.values())
        assert self.wire.violations == []
        self.assert_contracts_match()

    def one_order(self, order: PaymentOrder, charge: Charge) -> None:
        if order.state == OrderState.FAILED:
            # only late charges, found by a new inquiry
            assert order.order_id in self.wire.delayed_order_ids
            assert order.next_poll_at is not None
            return
        assert order.state in (OrderState.PAYING, *enums.SUCCESSFUL, *_FREE)
        if order.state in enums.SUCCESSFUL:
            assert (charge.authorized, charge.currency) == (
                order.amount,
                order.currency,
            )
            assert charge.operation_id == order.gateway_operation_id
            ours, more = order.captured_amount, order.capturing_amount
            assert ours - self.may_be_cancelled(order) <= charge.captured <= ours + more
            ours, more = order.refunded_amount, order.refunding_amount
            if not charge.voided:
                assert ours <= charge.refunded <= ours + more

    @staticmethod
    def may_be_cancelled(order: PaymentOrder) -> int:
        """What cancels without a final word may have taken back already."""
        cancels = order.operations.filter(kind=OperationKind.CANCEL)
        open_ = cancels.filter(outcome__in=enums.RESERVING | enums.NEGATIVE_OUTCOMES)
        return sum(row.amount or 0 for row in open_)

    def teardown(self) -> None:
        if not hasattr(self, "wire"):
            return
        try:
            self.wire.deliver_delayed()
            for seconds in (60, 300, 900, 900, 3600, 4000, 7200, 7200):
                self.time.shift(timedelta(seconds=seconds))
                self.gateway.advance(60)
                flows.reconcile()
                self.finish_ending_contracts()
            for order in PaymentOrder.objects.all():
                self.at_rest(order)
            self.assert_contracts_settled()
        finally:
            self.clock.stop()

    def at_rest(self, order: PaymentOrder) -> None:
        assert order.state in enums.FINAL
        charge = self.gateway.charge_of(order.order_id)
        charged = charge is not None and charge.result in ("EXECUTED", "AUTHORIZED")
        if order.state == OrderState.FAILED:
            assert not charged
        if charge is None or not charged:
            return
        assert order.state in (*enums.SUCCESSFUL, *_FREE)
        if charge.voided:
            assert order.state in (
                OrderState.VOIDED,
                OrderState.REVIEW,
                OrderState.REFUNDED,
            )
        else:
            ours = (order.captured_amount, order.refunded_amount)
            assert ours == (charge.captured, charge.refunded)
            assert_captures_match(self.gateway, order)
            assert order.state == OrderState.REVIEW or order.unsettled_since is None


def test_the_whole_life(gateway: Simulator, examples: Callable[[int], int]) -> None:
    Life.gateway = gateway
    Life.real = staticmethod(gateway.handle)
    run_state_machine_as_test(
        Life, settings=settings(max_examples=examples(10), stateful_step_count=15)
    )
