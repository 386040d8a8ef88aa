"""Random lives of purchases on Nexi's hosted page.

Tabs with other methods, cards beside them, late money, lost notifications, a process
that dies before any step. At rest both books are equal, and no purchase is paid twice
unless staff or a refund resolve it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

import pytest
import time_machine
from django.db import connection
from django.test import Client
from django.utils import timezone
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from nexi_payments import enums, flows
from nexi_payments.enums import OrderState
from nexi_payments.exceptions import NexiPaymentsError
from nexi_payments.models import (
    Discrepancy,
    Event,
    Operation,
    PaymentOrder,
    QueuedRefund,
)
from nexi_payments.models.hosted_page import HostedPage
from nexi_payments.models.sealed_card import SealedCard
from nexi_payments.simulator import Reply, Simulator
from nexi_payments.simulator.balances import CHARGED
from tests.support.hosted import HostedShopper, with_hosted_terminals
from tests.support.shopper import HOST, Form, Shopper, parse_form

pytestmark = pytest.mark.django_db(transaction=True)

BASKETS = strategies.sampled_from(["A", "B"])
METHODS = strategies.sampled_from(["PAYPAL", "BANCOMATPAY", "GOOGLEPAY", "MYBANK"])
ENDINGS = strategies.sampled_from(
    ["pay"] * 6
    + ["decline", "cancel", "leave", "close", "pending", "pending_fails"]
    + ["pay_twice"]
)
NOTIFY = strategies.sampled_from(
    ["never", "never", "before", "after", "twice", "late", "forged", "foreign"]
)
WHICH = strategies.integers(0, 7)
#: Requests and statements before the process dies; ``None``: it lives.
DIES = strategies.none() | strategies.none() | strategies.integers(0, 60)
WAITS = strategies.sampled_from([5, 90, 700, 4000, 86_400, 3 * 86_400, 8 * 86_400])


class Killed(BaseException):
    pass


class HostedLife(RuleBasedStateMachine):
    gateway: Simulator
    real: Any

    @initialize()
    def open_shop(self) -> None:
        for model in (QueuedRefund, Event, Discrepancy, SealedCard, HostedPage):
            model._default_manager.all().delete()
        Operation.objects.update(capture=None)
        Operation.objects.all().delete()
        PaymentOrder.objects.update(retry_of=None)
        PaymentOrder.objects.all().delete()
        self.gateway.reset()
        self.gateway.handle = self.real  # type: ignore[method-assign]
        self.shopper = HostedShopper(self.gateway)
        self.cards = Shopper(self.gateway)
        self.pages: list[str] = []
        self.forms: list[Form] = []
        self.clock = time_machine.travel(timezone.now(), tick=True)
        self.time = self.clock.start()

    # -- dying -------------------------------------------------------------------------

    def living(self, dies: int | None, act: Any) -> Any:
        """Runs ``act`` in a process that dies before a step: nothing is done then."""
        if dies is None:
            return act()
        left = [dies]

        def count() -> None:
            left[0] -= 1
            if left[0] < 0:
                raise Killed

        def execute(run: Any, *arguments: Any) -> Any:
            count()
            return run(*arguments)

        def request(*arguments: Any) -> Reply:
            count()
            return self.real(*arguments)

        self.gateway.handle = request  # type: ignore[method-assign]
        try:
            with connection.execute_wrapper(execute):
                return act()
        except Killed:
            return None
        except Exception:
            if left[0] >= 0:
                raise
            return None
        finally:
            self.gateway.handle = self.real  # type: ignore[method-assign]

    # -- what may happen ---------------------------------------------------------------

    def order(self, basket: str, amount: str = "12.50") -> PaymentOrder | None:
        try:
            return flows.create_order(
                amount=Decimal(amount),
                currency="EUR",
                reference=basket,
                terminal="methods",
            )
        except NexiPaymentsError:
            return None

    @rule(basket=BASKETS, method=METHODS, tab=WHICH, dies=DIES)
    def choose(self, basket: str, method: str, tab: int, dies: int | None) -> None:
        """Presses the button of a method, in a new tab or in an old one."""
        rows = list(PaymentOrder.objects.filter(reference=basket).order_by("-pk"))
        order = rows[tab] if tab < len(rows) else self.order(basket)
        if order is None:
            return

        def start() -> str:
            return flows.start_hosted_payment(order, method).redirect_to

        try:
            url = self.living(dies, start)
        except NexiPaymentsError:
            return
        if url:
            self.pages.append(url.partition("paymentid=")[2])

    @rule(which=WHICH, ending=ENDINGS, notify=NOTIFY, comes_back=strategies.booleans())
    def visit(self, which: int, ending: str, notify: str, comes_back: bool) -> None:
        if not self.pages:
            return
        page = self.gateway.store.find_page_by_id(self.pages[which % len(self.pages)])
        assert page is not None
        order_id = page["order_id"]
        taken = ending.startswith(("pay", "pending"))
        if self.gateway.hosted.status(order_id) and taken:
            return  # Nexi's hosted page takes one payment
        visit = self.gateway.hosted.pay(order_id, ending=ending, notify=notify)
        if comes_back and visit.return_url:
            answer = Client(HTTP_HOST=HOST).get(urlsplit(visit.return_url).path)
            assert answer.status_code == 303

    @rule()
    def notifications_come(self) -> None:
        self.gateway.hosted.deliver_due()

    @rule(basket=BASKETS, ending=strategies.sampled_from(["challenge", "frictionless"]))
    def enter_card(self, basket: str, ending: str) -> None:
        order = self.order(basket)
        if order is None or not order.accepts_card:
            return
        answer = self.cards.submit_card(order, ending)
        if answer.status_code == 200 and b"ReturnUrl" in answer.content:
            self.forms.append(parse_form(answer))

    @rule(which=WHICH)
    def come_back(self, which: int) -> None:
        if self.forms:
            form = self.forms[which % len(self.forms)]
            self.cards.return_from_issuer(form, self.cards.answer_challenge(form))

    @rule(basket=BASKETS)
    def basket_changes(self, basket: str) -> None:
        self.order(basket, "20.00")

    @rule(basket=BASKETS)
    def cancel(self, basket: str) -> None:
        order = PaymentOrder.objects.filter(reference=basket).last()
        if order is not None:
            with suppress(NexiPaymentsError):
                flows.cancel(order)

    @rule(basket=BASKETS)
    def refund(self, basket: str) -> None:
        rows = PaymentOrder.objects.filter(reference=basket)
        order = rows.filter(state=OrderState.PAID).last()
        if order is not None:
            with suppress(NexiPaymentsError):
                flows.refund(order)

    @rule(seconds=WAITS, unanswered=strategies.integers(0, 2), dies=DIES)
    def time_passes(self, seconds: int, unanswered: int, dies: int | None) -> None:
        self.time.shift(timedelta(seconds=seconds))
        for _ in range(unanswered):
            self.gateway.next_reply("/orders/PGN", Reply(503))
        self.living(dies, flows.reconcile)

    # -- what must hold ----------------------------------------------------------------

    @invariant()
    def one_attempt_is_live(self) -> None:
        live: Counter[str] = Counter()
        for order in PaymentOrder.objects.all():
            if order.state in enums.LIVE:
                live[str(order.reference)] += 1
            if order.state in enums.SUCCESSFUL:
                assert self.gateway.charge_count(order.order_id) >= 1
        assert all(count == 1 for count in live.values()), live

    def teardown(self) -> None:
        if not hasattr(self, "clock"):
            return
        try:
            for hours in (0.1, 0.3, 1, 1, 3, 24, 72, 72, 72, 96, 168, 240, 240):
                self.time.shift(timedelta(hours=hours))
                self.gateway.advance(60)
                flows.reconcile()
            self.at_rest()
        finally:
            self.clock.stop()

    def at_rest(self) -> None:
        standing: dict[str, list[str]] = defaultdict(list)
        for order in PaymentOrder.objects.all():
            about = f"{order.order_id} {order.method} {order.state} {order.reason}"
            assert order.state in enums.FINAL, about
            charges = self.gateway.charges_of(order.order_id)
            charges = [one for one in charges if one.result in CHARGED]
            if not charges:
                assert order.captured_amount == 0, about
                continue
            assert order.state != OrderState.FAILED, about
            voided = any(one.voided for one in charges)
            theirs = sum(one.captured for one in charges)
            returned = sum(one.refunded for one in charges)
            if not voided:
                ours = (order.captured_amount, order.refunded_amount)
                assert ours == (theirs, returned), about
            if order.state in enums.SUCCESSFUL:
                standing[str(order.reference)].append(about)
        assert all(len(found) == 1 for found in standing.values()), standing
        for refund in QueuedRefund.objects.all():
            assert refund.state in ("sent", "given_up"), refund


@pytest.mark.parametrize("duplicates", ["review", "refund"])
def test_lives_on_the_hosted_page(
    gateway: Simulator,
    settings: Any,
    examples: Callable[[int], int],
    duplicates: str,
) -> None:
    settings.NEXI_PAYMENTS = with_hosted_terminals(
        DUPLICATES=duplicates, RATE_LIMITS=None
    )
    HostedLife.gateway = gateway
    HostedLife.real = staticmethod(gateway.handle)
    run_state_machine_as_test(
        HostedLife,
        settings=hypothesis_settings(
            max_examples=examples(6), stateful_step_count=20, deadline=None
        ),
    )
