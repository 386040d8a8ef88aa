"""The mixin, and what Django's ``TestCase``, which never commits, makes of payments."""

from __future__ import annotations

from contextlib import nullcontext
from decimal import Decimal
from typing import Any

import pytest
from django.db import transaction
from django.test import TestCase, TransactionTestCase

from nexi_payments import conf, flows, signals
from nexi_payments.models import Event
from nexi_payments.testing import NexiTestMixin
from tests.support.shopper import new_order

pytest_plugins = ["nexi_payments.testing.pytest_plugin"]


class Listener:
    """Who is told of what, and whether on_commit of the receiver's own runs."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self.committed: list[str] = []

    def __call__(self, order: Any, event: Any, **kwargs: Any) -> None:
        self.heard.append(event.kind)
        transaction.on_commit(lambda: self.committed.append(event.kind))


class Payments:
    def setUp(self) -> None:  # calls no super(): self.nexi is there all the same
        self.told = Listener()
        for signal in (signals.payment_paid, signals.payment_refunded):
            signal.connect(self.told)
            self.addCleanup(signal.disconnect, self.told)
        self.order = self.nexi.pay(new_order())

    def test_paid_and_told(self) -> None:
        assert self.order.state == "paid"
        assert self.told.heard == self.told.committed == ["paid"]
        assert Event.objects.get(kind="paid").delivered_at is not None
        self.nexi.reconcile()
        assert self.told.heard == ["paid"]

    def test_what_the_shop_does_is_told_at_the_next_pass(self) -> None:
        flows.refund(self.order, Decimal("2.00"))
        self.nexi.reconcile()
        assert self.told.heard == ["paid", "refunded"]

    def test_nothing_is_told_twice(self) -> None:
        with self.captureOnCommitCallbacks(execute=True):
            self.nexi.pay(new_order())
        self.nexi.advance(hours=1)
        assert self.told.heard == ["paid", "paid"]

    def test_no_card_data(self) -> None:
        with self.nexi.assert_no_card_data():
            self.nexi.start(new_order())
            self.nexi.complete_3ds("refuse")

    def test_inside_a_transaction_of_the_test_it_is_a_loud_error(self) -> None:
        with pytest.raises(RuntimeError), transaction.atomic():
            self.nexi.pay(new_order())


class TestInATestCase(Payments, NexiTestMixin, TestCase):
    pass


class TestWithCommits(Payments, NexiTestMixin, TransactionTestCase):
    captureOnCommitCallbacks = TestCase.captureOnCommitCallbacks


class TestARaisingReceiver(NexiTestMixin, TestCase):
    def test_is_asked_again_later(self) -> None:
        broken = [True, False]

        def receive(**kwargs: Any) -> None:
            if broken.pop(0):
                raise ZeroDivisionError

        signals.payment_paid.connect(receive)
        self.addCleanup(signals.payment_paid.disconnect, receive)
        assert self.nexi.pay(new_order()).state == "paid"
        self.nexi.reconcile()
        assert broken == [False]
        self.nexi.advance(minutes=1)
        assert broken == []


@pytest.mark.django_db
@pytest.mark.parametrize("robust", [True, False])
def test_what_fails_after_the_commit_is_told_as_django_would(
    nexi_simulator: Any, caplog: Any, robust: bool
) -> None:
    def receive(**kwargs: Any) -> None:
        transaction.on_commit(lambda: 1 / 0, robust=robust)

    signals.payment_paid.connect(receive)
    order = nexi_simulator.start(new_order())
    told = nullcontext() if robust else pytest.raises(ZeroDivisionError)
    try:
        with told:
            nexi_simulator.complete_3ds()
    finally:
        signals.payment_paid.disconnect(receive)
    order.refresh_from_db()
    assert order.state == "paid"
    logged = [one for one in caplog.records if one.name == "nexi_payments.testing"]
    assert len(logged) == robust


@pytest.mark.django_db
def test_the_fixture_in_a_test_that_never_commits(nexi_simulator: Any) -> None:
    told = Listener()
    signals.payment_paid.connect(told)
    try:
        assert nexi_simulator.pay(new_order()).state == "paid"
        assert told.heard == told.committed == ["paid"]
        nexi_simulator.assert_no_card_data()
    finally:
        signals.payment_paid.disconnect(told)


class _Debugged:
    def __init__(self, seen: list[bool]) -> None:
        self.seen = seen

    def debug(self) -> None:
        self.seen.append(conf.simulator() is self.nexi.gateway)


class _Test(NexiTestMixin, _Debugged):
    pass


def test_debug_has_the_simulator_too() -> None:
    before = conf.simulator()
    seen: list[bool] = []
    _Test(seen).debug()
    assert seen == [True]
    assert conf.simulator() is before
