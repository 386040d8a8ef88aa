"""Random actions of staff and lost responses: our totals equal the gateway's, and no
more is refunded than was captured."""

from __future__ import annotations

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

from nexi_payments import conf, enums, flows, money
from nexi_payments.enums import CaptureMode, OperationKind, OperationOutcome, OrderState
from nexi_payments.exceptions import NexiPaymentsError
from nexi_payments.gateway.payloads import OperationAmount
from nexi_payments.models import Operation, PaymentOrder
from nexi_payments.simulator import Reply, Simulator
from tests.support.in_doubt import HOUR, LAG, SETTLE
from tests.support.shopper import Shopper, new_order

pytestmark = pytest.mark.django_db(transaction=True)

AMOUNTS = strategies.integers(min_value=1, max_value=1300)
#: What proves that a request without an answer was not executed.
PROOF = (LAG + 1, LAG + 1, SETTLE + LAG)
LOST = strategies.sampled_from(["", "", "", "answer", "request", "refused", "look"])


def major(minor: int) -> Decimal:
    return money.to_major(minor, "EUR")


class Books(RuleBasedStateMachine):
    """One order of 12.50 EUR, and every action after its charge."""

    gateway: Simulator

    @initialize(
        manual=strategies.booleans(),
        ending=strategies.sampled_from(["challenge", "refund_pending"]),
    )
    def pay(self, manual: bool, ending: str) -> None:
        self.gateway.reset()
        self.clock = time_machine.travel(timezone.now(), tick=True)
        self.time = self.clock.start()
        self.lost_looks = 0
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
            self.lost_looks += 1

    def attempt(self, verb: Any, *args: Any, **kwargs: Any) -> None:
        self.order.refresh_from_db()
        before = self.requests
        try:
            verb(self.order, *args, **kwargs)
        except NexiPaymentsError:
            # what we refuse is not sent
            assert self.requests == before

    @property
    def requests(self) -> int:
        """How many requests that may move money have reached the gateway."""
        counts = self.gateway.counts.items()
        return sum(count for name, count in counts if name.startswith("POST"))

    @rule(minor=AMOUNTS, lost=LOST)
    def capture(self, minor: int, lost: str) -> None:
        self.fault(lost, "/captures")
        self.attempt(flows.capture, major(minor))

    @rule(minor=AMOUNTS, lost=LOST, which=strategies.integers(0, 3))
    def refund(self, minor: int, lost: str, which: int) -> None:
        self.fault(lost, "/refunds")
        now = flows.available(self.order)
        made = [one.operation for one in now.effective_captures]
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
        """An operation in Nexi's back office, without our knowledge."""
        self.order.refresh_from_db()
        if self.order.state != OrderState.PAID or self.order.unsettled_since:
            return
        made = flows.available(self.order).effective_captures
        target = made[-1].operation if made else self.order
        client = conf.client(conf.current().terminal(self.order.terminal))
        part = OperationAmount(minor, "EUR", f"elsewhere{len(self.gateway.calls)}")
        try:
            client.refund(target.gateway_operation_id, part, conf.call_context())
        except NexiPaymentsError:
            return
        flows.reconcile(self.order)

    @rule(seconds=strategies.sampled_from([1, LAG + 1, LAG + 1, SETTLE]))
    def time_passes(self, seconds: int) -> None:
        self.time.shift(timedelta(seconds=seconds))
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
        open_ones = order.operations.filter(outcome__in=enums.RESERVING)
        assert bool(order.unsettled_since) == open_ones.exists()
        if order.unsettled_since:
            assert order.next_poll_at is not None

    def teardown(self) -> None:
        """After everything has settled, both sides' totals are equal."""
        if not hasattr(self, "order"):
            return
        try:
            # an inquiry that was to be lost before a request we refused is lost now
            lost = [LAG + 1] * self.lost_looks
            for seconds in (*lost, *PROOF, *PROOF, HOUR):
                self.time.shift(timedelta(seconds=seconds))
                flows.reconcile(self.order)
            self.at_rest()
        finally:
            self.clock.stop()

    def at_rest(self) -> None:
        charge = self.gateway.charge_of(self.order.order_id)
        assert charge is not None
        order = PaymentOrder.objects.get(pk=self.order.pk)
        assert order.unsettled_since is None
        assert not order.operations.filter(unsettled_order_id__isnull=False).exists()
        if order.state == OrderState.VOIDED:
            assert charge.voided
            return
        back = charge.refunded
        assert (order.captured_amount, order.refunded_amount) == (
            charge.captured,
            back,
        )
        kinds = {OperationKind.CAPTURE: 0, OperationKind.REFUND: 0}
        for row in Operation.objects.filter(order=order, outcome=OperationOutcome.DONE):
            if row.kind in kinds:
                kinds[row.kind] += row.amount or 0
        assert kinds[OperationKind.REFUND] == back
        if order.capture == CaptureMode.MANUAL:
            assert kinds[OperationKind.CAPTURE] == charge.captured
        # what is authorized and not captured stays usable
        gone = order.amount == order.captured_amount == order.refunded_amount
        assert (order.state == OrderState.REFUNDED) == gone


def test_the_books_agree(gateway: Simulator, examples: Callable[[int], int]) -> None:
    Books.gateway = gateway
    run_state_machine_as_test(
        Books,
        settings=settings(max_examples=examples(10), stateful_step_count=12),
    )
