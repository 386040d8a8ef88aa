"""A shop's tests pay, refund and wait with this; no socket is opened."""

from __future__ import annotations

import json
from contextlib import ExitStack
from datetime import datetime, timedelta
from types import TracebackType
from typing import Final

from django.test import Client

from nexi_payments import conf, flows
from nexi_payments.card import Card
from nexi_payments.models import PaymentOrder
from nexi_payments.simulator import TEST_CARDS, Call, Charge, Reply, Simulator
from nexi_payments.testing.browser import NAME, Browser, Challenge, card_named
from nexi_payments.testing.clock import Clock
from nexi_payments.testing.delivery import committing, deliver_new
from nexi_payments.testing.isolation import simulated
from nexi_payments.testing.leaks import Leaks

#: What a call to Nexi is named here → what its path holds.
CALLS: Final = {
    "any": "/",
    "init": "/init",
    "validation": "/validation",
    "charge": "steps/payment|/orders/moto",
    "capture": "/captures",
    "refund": "/refunds",
    "look": "/orders/{prefix}",
}
ANSWERS: Final = ("approve", "refuse", "walk_away")


class NexiSimulator:
    """Nexi, the bank and a shopper. ``with NexiSimulator() as nexi: nexi.pay(order)``

    Cards have the names of ``nexi_payments.simulator.TEST_CARDS``' endings. Every order
    that comes back is as the database has it then. ``page`` is the last answer that the
    shopper saw, ``gateway`` the simulator itself.
    """

    def __init__(self) -> None:
        self.gateway = Simulator(clock=self._now)
        self._clock = Clock()
        self._browser = Browser()
        self._challenges: dict[int, Challenge] = {}
        self._end = ExitStack()

    def __enter__(self) -> NexiSimulator:
        self._end.enter_context(simulated(self.gateway))
        self._end.callback(self.gateway.close)
        self._end.callback(self._clock.stop)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end.close()

    # -- whoever pays ------------------------------------------------------------------

    def pay(
        self,
        order: PaymentOrder,
        card: str = "challenge",
        answer: str = "approve",
        *,
        client: Client | None = None,
    ) -> PaymentOrder:
        """Card page, bank, and back. ``answer`` is the shopper's, where the bank asks:
        "approve", "refuse", or "walk_away" (back without an answer).

        ``client`` posts the card instead of one that is logged in as ``order.user``.
        """
        order = self.start(order, card, client=client)
        if order.pk in self._challenges:
            order = self.complete_3ds(answer, order)
        return order

    def start(
        self,
        order: PaymentOrder,
        card: str = "challenge",
        *,
        client: Client | None = None,
    ) -> PaymentOrder:
        """Posts the card: the shopper is at the bank now. After a failed attempt what
        comes back is another order, whose ``retry_of`` is the first."""
        with committing():
            order, challenge = self._browser.enter(order, card, client)
        if challenge is not None:
            self._challenges[order.pk] = challenge
        return order

    def complete_3ds(
        self, answer: str = "approve", order: PaymentOrder | None = None
    ) -> PaymentOrder:
        """The shopper comes back from the bank, where ``order`` (or the one that was
        started last) waits."""
        if answer not in ANSWERS:
            raise ValueError(f"no answer {answer!r}; there are: {', '.join(ANSWERS)}")
        waiting = list(self._challenges) if order is None else [order.pk]
        if not waiting or waiting[-1] not in self._challenges:
            raise AssertionError("no shopper is at the bank: start() comes first")
        challenge = self._challenges.pop(waiting[-1])
        fields = self.gateway.challenge(challenge.operation_id, answer)
        with committing():
            return self._browser.come_back(challenge, fields)

    def pay_moto(
        self,
        order: PaymentOrder,
        card: str = "challenge",
        *,
        actor: flows.Actor | None = None,
    ) -> PaymentOrder:
        """A clerk keys the card of a phone order; its terminal must have ``MOTO``."""
        test = card_named(card)
        keyed = Card(test.number, test.expiry.replace("/", ""), test.cvv)
        name = order.customer_name or NAME
        who = actor or flows.Actor()
        with committing():
            order = flows.pay_moto(order, keyed, cardholder=name, actor=who)
        return PaymentOrder.objects.get(pk=order.pk)

    # -- what goes wrong ---------------------------------------------------------------

    def lose_next_answer(self, call: str = "charge") -> None:
        """Nexi does what the next such call asks for; its answer never arrives."""
        self.gateway.lose_next_answer(_path(call))

    def refuse_next_call(self, call: str = "any", status: int = 400) -> None:
        """Nexi does not do it, and answers with a 4xx and an error code."""
        body = json.dumps({"errors": [{"code": "GW0001"}]}).encode()
        self.gateway.fail_next(_path(call), status=status, body=body)

    def fail_next_call(self, call: str = "any", status: int = 500) -> None:
        """Nexi does not do it, and answers with a 5xx: we cannot know."""
        self.gateway.fail_next(_path(call), status=status)

    def be_down_for_next_call(self, call: str = "any") -> None:
        """Nexi cannot be reached: nothing was sent."""
        self.gateway.next_reply(_path(call), Reply(0, fault="refused"))

    # -- time --------------------------------------------------------------------------

    def advance(
        self,
        *,
        days: float = 0,
        hours: float = 0,
        minutes: float = 0,
        seconds: float = 0,
    ) -> flows.Counts:
        """Time passes, here and at Nexi, until the end of the test; then the reconciler
        comes by. What moves is ``django.utils.timezone.now``."""
        self._clock.advance(
            timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
        )
        return self.reconcile()

    def reconcile(self) -> flows.Counts:
        """One pass of ``nexi_reconcile``. Signals that a ``TestCase`` held back, as it
        never commits, are delivered."""
        with committing():
            counts = flows.reconcile()
        deliver_new()
        return counts

    # -- what Nexi saw -----------------------------------------------------------------

    @property
    def page(self) -> object:
        return self._browser.page

    @property
    def calls(self) -> tuple[Call, ...]:
        """What Nexi was asked, oldest first: method, path, status, ids; no bodies."""
        return self.gateway.calls

    @property
    def charges(self) -> tuple[Charge, ...]:
        """Nexi's books: every order of this test that was charged, in minor units."""
        orders = PaymentOrder.objects.order_by("pk").values_list("order_id", flat=True)
        found = (self.gateway.charge_of(one) for one in orders if self._charged(one))
        return tuple(charge for charge in found if charge is not None)

    def _charged(self, order_id: str) -> bool:
        return bool(self.gateway.charges(order_id))

    def assert_no_card_data(self) -> Watch:
        """No test card is at rest anywhere. As a ``with`` block: nor in anything that
        is logged, mailed, answered or sent to Sentry inside."""
        _judge(Leaks(*(card.number for card in TEST_CARDS)))
        return Watch()

    def _now(self) -> datetime:
        return self._clock.now()


class Watch:
    """``with nexi.assert_no_card_data(): …``"""

    def __init__(self) -> None:
        self._leaks = Leaks()

    def __enter__(self) -> None:
        self._leaks.__enter__()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._leaks.__exit__(kind, error, trace)
        if error is None:
            _judge(self._leaks)


def _judge(leaks: Leaks) -> None:
    found = leaks.found()
    if found:
        raise AssertionError(f"card data was left behind: {found}")


def _path(call: str) -> str:
    if call not in CALLS:
        raise ValueError(f"no call {call!r}; there are: {', '.join(CALLS)}")
    return CALLS[call].replace("{prefix}", conf.current().order_prefix)
