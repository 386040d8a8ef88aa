"""Whatever staff do, and whatever gets lost: our sums are the gateway's, and nobody is
given back more than was taken."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import settings, strategies
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from nexi_payments import conf, flows, money, states
from nexi_payments.exceptions import NexiPaymentsError
from nexi_payments.flows import postauth
from nexi_payments.gateway.payloads import Part
from nexi_payments.models import Operation, PaymentOrder
from nexi_payments.simulator import Reply, Simulator
from tests.doubt import later
from tests.shopper import Shopper, new_order

pytestmark = pytest.mark.django_db(transaction=True)

AMOUNTS = strategies.integers(min_value=1, max_value=1300)
LOST = strategies.sampled_from(["", "", "", "answer", "request", "refused", "look"])


def major(minor: int) -> Decimal:
    return money.to_major(minor, "EUR")


class Books(RuleBasedStateMachine):
    """One order of 12.50 EUR, and everything that can be done to it afterwards."""

    gateway: Simulator

    @initialize(
        manual=strategies.booleans(),
        ending=strategies.sampled_from(["challenge", "refund_pending"]),
    )
    def pay(self, manual: bool, ending: str) -> None:
        self.gateway.reset()
        terminal = "manual" if manual else "default"
        self.order = Shopper(self.gateway).pay(new_order(terminal=terminal), ending)

    def fault(self, lost: str, part: str) -> None:
        if lost == "answer":
            self.gateway.lose_next_answer(part)
        elif lost == "request":
            self.gateway.next_reply(part, Reply(500))
        elif lost == "refused":
            self.gateway.next_reply(part, Reply(0, fault="refused"))
        elif lost == "look":
            self.gateway.next_reply(f"/orders/{self.order.order_id}", Reply(503))

    def attempt(self, verb: Any, *args: Any, **kwargs: Any) -> None:
        self.order.refresh_from_db()
        before = len(self.gateway.calls)
        try:
            verb(self.order, *args, **kwargs)
        except NexiPaymentsError:
            # what is refused by us was not sent
            assert len(self.gateway.calls) == before

    @rule(minor=AMOUNTS, lost=LOST)
    def capture(self, minor: int, lost: str) -> None:
        self.fault(lost, "/captures")
        self.attempt(flows.capture, major(minor))

    @rule(minor=AMOUNTS, lost=LOST, which=strategies.integers(0, 3))
    def refund(self, minor: int, lost: str, which: int) -> None:
        self.fault(lost, "/refunds")
        made = postauth.captures(self.order)
        one = made[which % len(made)] if made and which else None
        self.attempt(flows.refund, major(minor), one)

    @rule(lost=LOST)
    def refund_all(self, lost: str) -> None:
        self.fault(lost, "/refunds")
        self.attempt(flows.refund)

    @rule(lost=LOST)
    def void(self, lost: str) -> None:
        self.fault(lost, "/refunds")
        self.attempt(flows.void)

    @rule(minor=AMOUNTS)
    def refund_at_nexi(self, minor: int) -> None:
        """Somebody in Nexi's back office, who does not ask us."""
        self.order.refresh_from_db()
        if self.order.state != states.PAID or self.order.unsettled_since:
            return
        made = postauth.captures(self.order)
        target = made[-1] if made else self.order
        client = conf.client(conf.current().terminal(self.order.terminal))
        part = Part(minor, "EUR", f"elsewhere{len(self.gateway.calls)}")
        try:
            client.refund(target.gateway_operation_id, part, conf.trace())
        except NexiPaymentsError:
            return
        flows.reconcile(self.order)

    @rule()
    def time_passes(self) -> None:
        self.gateway.advance(60)
        flows.reconcile(self.order)

    @invariant()
    def nothing_is_given_twice(self) -> None:
        if not hasattr(self, "order"):
            return
        charge = self.gateway.charge_of(self.order.order_id)
        assert charge is not None
        assert charge.refunded <= max(charge.captured, charge.authorized)
        order = PaymentOrder.objects.get(pk=self.order.pk)
        assert order.refunded_amount + order.refunding_amount >= 0
        assert order.refunded_amount + order.refunding_amount <= order.captured_amount
        assert order.captured_amount + order.capturing_amount <= order.amount
        open_ones = order.operations.filter(outcome__in=states.RESERVING)
        assert bool(order.unsettled_since) == open_ones.exists()
        if order.unsettled_since:
            assert order.due_at is not None

    def teardown(self) -> None:
        """Once all has settled, the books are the same."""
        if not hasattr(self, "order"):
            return
        with later(3600):
            for _ in range(8):
                self.gateway.advance(60)
                flows.reconcile(self.order)
            charge = self.gateway.charge_of(self.order.order_id)
        assert charge is not None
        order = PaymentOrder.objects.get(pk=self.order.pk)
        assert order.unsettled_since is None
        assert not order.operations.filter(open_slot__isnull=False).exists()
        if order.state == states.VOIDED:
            assert charge.voided
            return
        back = charge.refunded
        assert (order.captured_amount, order.refunded_amount) == (
            charge.captured,
            back,
        )
        kinds = {states.CAPTURE: 0, states.REFUND: 0}
        for row in Operation.objects.filter(order=order, outcome=states.DONE):
            if row.kind in kinds:
                kinds[row.kind] += row.amount or 0
        assert kinds[states.REFUND] == back
        if order.capture == states.CAPTURE_MANUAL:
            assert kinds[states.CAPTURE] == charge.captured
        gone = order.captured_amount == order.refunded_amount > 0
        assert (order.state == states.REFUNDED) == gone


def test_the_books_agree(gateway: Simulator, request: Any) -> None:
    many = request.config.getoption("--examples") or 25
    Books.gateway = gateway
    run_state_machine_as_test(
        Books,
        settings=settings(max_examples=int(many), stateful_step_count=12),
    )
