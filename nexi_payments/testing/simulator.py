"""Simulated payments for a shop's tests. No socket is opened."""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import ExitStack
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any, Final
from urllib.parse import urlsplit

from django.test import Client

from nexi_payments import conf, flows, page_paths
from nexi_payments.card import Card
from nexi_payments.enums import OrderState
from nexi_payments.models import PaymentOrder
from nexi_payments.simulator import (
    TEST_CARDS,
    Call,
    Charge,
    Reply,
    Simulator,
    World,
)
from nexi_payments.testing import notifications
from nexi_payments.testing.card_data_scan import CardDataScan
from nexi_payments.testing.card_page import PaymentNotStarted, consent_fields
from nexi_payments.testing.clock import Clock
from nexi_payments.testing.commit_hooks import (
    deliver_new_signals,
    release_queued_refunds,
    run_commit_hooks,
)
from nexi_payments.testing.forms import (
    CARDHOLDER_NAME,
    Form,
    card_by_ending,
    parse_form,
    redirect_target,
)
from nexi_payments.testing.host_client import HostClient
from nexi_payments.testing.isolation import use_simulator
from nexi_payments.testing.shopper import Shopper

#: Name of a call to Nexi → part of its path.
CALL_PATHS: Final = {
    "any": "/",
    "init": "/init",
    "validation": "/validation",
    "charge": "steps/payment|/orders/moto",
    "capture": "/captures",
    "refund": "/refunds",
    "inquiry": "/orders/{prefix}",
}
CHALLENGE_ANSWERS: Final = ("approve", "refuse", "walk_away")


class NexiSimulator:
    """Nexi, the issuer and a shopper. ``with NexiSimulator() as nexi: nexi.pay(order)``

    Cards are named by the endings of ``nexi_payments.simulator.TEST_CARDS``. Returned
    orders are fresh from the database. ``page`` is the last response that the shopper
    saw, ``gateway`` the simulated gateway.
    """

    def __init__(self) -> None:
        self.gateway = Simulator(clock=self._now)
        self.gateway.deliver = notifications.deliver
        self._clock = Clock()
        self._page: Any = None
        self._challenges: dict[int, Form] = {}
        self._exit_stack = ExitStack()

    def __enter__(self) -> NexiSimulator:
        self._exit_stack.enter_context(use_simulator(self.gateway))
        self._exit_stack.callback(self.gateway.close)
        self._exit_stack.callback(self._clock.stop)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._exit_stack.close()

    # -- payments ----------------------------------------------------------------------

    def pay(
        self,
        order: PaymentOrder,
        card: str = "challenge",
        answer: str = "approve",
        *,
        client: Client | None = None,
        method: str = "",
        ending: str = "pay",
        notify: str = "after",
        comes_back: bool = True,
        **fields: str,
    ) -> PaymentOrder:
        """Pay on the card page and at the issuer, and return to the shop.

        With ``method`` ("PAYPAL", "CARDS" …) press its button instead, and pay on
        Nexi's hosted page: ``ending``, ``notify`` and ``comes_back`` are those of
        ``visit_hosted_page``, and ``card`` is for "CARDS".

        ``answer`` is the shopper's answer to a challenge: "approve", "refuse" or
        "walk_away" (return without an answer). ``client`` posts the card; the default
        client is logged in as ``order.user``. ``fields`` are fields of the card form
        that replace those of the test card, or come in addition. The shopper agrees to
        save the card where the page asks for it; ``agree=""`` does not.

        Raises ``PaymentNotStarted`` if the page takes no card, or does not offer the
        method, with what it says: form errors, or a notice. ``start`` does not raise
        then.
        """
        if method:
            attempt = self._choose(order, method, client)
            return self.visit_hosted_page(
                attempt,
                method,
                ending,
                card=card,
                notify=notify,
                comes_back=comes_back,
                client=client,
            )
        order = self.start(order, card, client=client, **fields)
        if order.pk in self._challenges:
            return self.complete_3ds(answer, order)
        if not redirect_target(self._page):
            raise PaymentNotStarted(self._page)
        return order

    def start(
        self,
        order: PaymentOrder,
        card: str = "challenge",
        *,
        client: Client | None = None,
        **fields: str,
    ) -> PaymentOrder:
        """Post the card. A challenge, if there is one, stays open.

        After a failed attempt the returned order is a new one; its ``retry_of`` is the
        first. ``client`` and ``fields`` are those of ``pay``."""
        shopper = Shopper(client or _client_for(order))
        name = order.customer_name or CARDHOLDER_NAME
        fields = {"cardholder_name": name, **consent_fields(order), **fields}
        with run_commit_hooks():
            self._page = shopper.submit_card(order, card, **fields)
            _assert_accessible(self._page)
        form = parse_form(self._page)
        if self._page.status_code == 200 and form.is_challenge:
            order = PaymentOrder.objects.get(gateway_operation_id=form.operation_id)
            self._challenges[order.pk] = form
            return order
        public_id = _public_id_in(redirect_target(self._page))
        return PaymentOrder.objects.get(public_id=public_id or order.public_id)

    def _choose(
        self, order: PaymentOrder, method: str, client: Client | None
    ) -> PaymentOrder:
        """Press the button of a method. Return the attempt whose page is open."""
        with run_commit_hooks():
            shopper = Shopper(client or _client_for(order))
            self._page = shopper.post(order.page_url(), method=method)
            _assert_accessible(self._page)
        attempts = PaymentOrder.objects.filter(live_reference=order.live_key)
        attempt = attempts.filter(state=OrderState.AWAITING_HOSTED_PAGE).first()
        target = redirect_target(self._page)
        if attempt is None or not target or _public_id_in(target):
            raise PaymentNotStarted(self._page)
        return attempt

    def complete_3ds(
        self, answer: str = "approve", order: PaymentOrder | None = None
    ) -> PaymentOrder:
        """Answer the challenge of ``order`` and return to the shop.

        The default is the order that was started last."""
        if answer not in CHALLENGE_ANSWERS:
            raise ValueError(
                f"no answer {answer!r}; there are: {', '.join(CHALLENGE_ANSWERS)}"
            )
        waiting = list(self._challenges) if order is None else [order.pk]
        if not waiting or waiting[-1] not in self._challenges:
            raise AssertionError("no challenge is open: call start() first")
        key = waiting[-1]
        form = self._challenges.pop(key)
        fields = self.gateway.answer_challenge(form.operation_id, answer)
        with run_commit_hooks():
            Shopper().return_from_issuer(form, fields)
            order = PaymentOrder.objects.get(pk=key)
            result = page_paths.page_path("result", order.public_id)
            self._page = Shopper(_client_for(order)).get(result)
        return PaymentOrder.objects.get(pk=key)

    def pay_moto(
        self,
        order: PaymentOrder,
        card: str = "challenge",
        *,
        actor: flows.Actor | None = None,
    ) -> PaymentOrder:
        """Pay a phone order as staff. Its terminal must have ``MOTO``.

        The same card may pay the same amount again: the clerk has allowed it."""
        test = card_by_ending(card)
        keyed = Card(test.number, test.expiry.replace("/", ""), test.cvv)
        name = order.customer_name or CARDHOLDER_NAME
        who = actor or flows.Actor()
        with run_commit_hooks():
            order = flows.pay_moto(
                order, keyed, cardholder=name, allow_duplicate=True, actor=who
            )
        return PaymentOrder.objects.get(pk=order.pk)

    def visit_hosted_page(
        self,
        order: PaymentOrder,
        method: str = "",
        ending: str = "pay",
        *,
        card: str = "challenge",
        notify: str = "after",
        comes_back: bool = True,
        client: Client | None = None,
    ) -> PaymentOrder:
        """Do on Nexi's hosted page of ``order`` what a shopper does there.

        ``method`` is a code that the page offers ("PAYPAL", "CARDS" …); the default is
        its first. ``ending`` is one of ``HOSTED_ENDINGS``, ``notify`` one of
        ``NOTIFICATION_MODES`` of ``nexi_payments.simulator``; ``card`` is for "CARDS".
        Without ``comes_back`` the shopper closes the page that leads to the shop.
        What is late comes with ``advance``. ``client`` is as of ``pay``.
        """
        with run_commit_hooks():
            visit = self.gateway.hosted.pay(
                order.order_id, method=method, ending=ending, notify=notify, card=card
            )
            if comes_back and visit.return_url:
                shopper = Shopper(client or _client_for(order))
                self._page = shopper.follow(visit.return_url)
            self.gateway.hosted.deliver_due()
        return PaymentOrder.objects.get(pk=order.pk)

    # -- failures ----------------------------------------------------------------------

    def lose_next_answer(self, call: str = "charge") -> None:
        """Nexi processes the next such call; its response is lost."""
        self.gateway.lose_next_answer(_path_of_call(call))

    def reject_next_call(self, call: str = "any", status: int = 400) -> None:
        """Nexi rejects the next such call with a 4xx and an error code."""
        body = json.dumps({"errors": [{"code": "GW0001"}]}).encode()
        self.gateway.fail_next(_path_of_call(call), status=status, body=body)

    def fail_next_call(self, call: str = "any", status: int = 500) -> None:
        """Nexi does not process the next such call. The outcome is unknown (5xx)."""
        self.gateway.fail_next(_path_of_call(call), status=status)

    def fail_next_connection(self, call: str = "any") -> None:
        """The connection of the next such call is refused: nothing is sent."""
        self.gateway.next_reply(_path_of_call(call), Reply(0, fault="refused"))

    # -- worlds ------------------------------------------------------------------------

    @property
    def worlds(self) -> tuple[World, ...]:
        """What a real gateway may do after a charge: ``[Lagging(), BackOffice()]``.

        The classes are in ``nexi_payments.simulator``. Set it to change it."""
        return self.gateway.worlds

    @worlds.setter
    def worlds(self, worlds: Iterable[World]) -> None:
        self.gateway.worlds = tuple(worlds)

    def make_at_nexi(
        self, order: PaymentOrder, kind: str, amount: int | None = None
    ) -> str:
        """Capture, refund or void in Nexi's back office. Return Nexi's id of it.

        ``kind`` is "capture", "refund" or "void". ``amount`` is in minor units; the
        default is the largest possible one. Raises ``ValueError`` where Nexi's rules do
        not allow it."""
        return self.gateway.make_at_nexi(order.order_id, kind, amount)

    # -- time --------------------------------------------------------------------------

    def advance(
        self,
        *,
        days: float = 0,
        hours: float = 0,
        minutes: float = 0,
        seconds: float = 0,
    ) -> flows.Counts:
        """Move the time forward, here and at Nexi, then run the reconciler.

        Notifications that are due then come before the reconciler.
        It moves ``django.utils.timezone.now`` until the end of the test."""
        self._clock.advance(
            timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
        )
        with run_commit_hooks():
            self.gateway.hosted.deliver_due()
        return self.reconcile()

    def reconcile(self) -> flows.Counts:
        """Run one pass of ``nexi_reconcile``.

        Sends queued refunds and delivers signals that a ``TestCase`` has kept back, as
        it never commits."""
        release_queued_refunds()
        with run_commit_hooks():
            counts = flows.reconcile()
        deliver_new_signals()
        return counts

    # -- inspection --------------------------------------------------------------------

    @property
    def page(self) -> object:
        return self._page

    @property
    def calls(self) -> tuple[Call, ...]:
        """Calls to Nexi, oldest first: method, path, status, ids; no bodies."""
        return self.gateway.calls

    @property
    def charges(self) -> tuple[Charge, ...]:
        """Nexi's totals of every payment of this test, in minor units.

        An order that was paid twice on a hosted page has two."""
        orders = PaymentOrder.objects.order_by("pk").values_list("order_id", flat=True)
        return tuple(
            charge for one in orders for charge in self.gateway.charges_of(one)
        )

    def assert_no_card_data(self) -> CardDataWatch:
        """Assert that no test card is stored anywhere.

        As a ``with`` block: also in nothing that is logged, emailed, returned or sent
        to Sentry inside it."""
        _assert_no_findings(CardDataScan(*(card.number for card in TEST_CARDS)))
        return CardDataWatch()

    def _now(self) -> datetime:
        return self._clock.now()


class CardDataWatch:
    """``with nexi.assert_no_card_data(): …``"""

    def __init__(self) -> None:
        self._scan = CardDataScan()

    def __enter__(self) -> None:
        self._scan.__enter__()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._scan.__exit__(kind, error, trace)
        if error is None:
            _assert_no_findings(self._scan)


def _client_for(order: PaymentOrder) -> Client:
    client = HostClient()
    if order.user is not None:
        client.force_login(order.user)
    return client


def _assert_accessible(page: Any) -> None:
    if page.status_code in (403, 404):
        raise AssertionError(
            f"the card page returned {page.status_code}: an order with a user"
            " shows to that user only; give that user's client, or none"
        )


def _public_id_in(location: str) -> str:
    """Return the public id of the order whose result page is at ``location``, under
    any prefix and language."""
    parts = urlsplit(location).path.split("/")
    named = PaymentOrder.objects.filter(public_id__in=parts)
    return named.values_list("public_id", flat=True).first() or ""


def _assert_no_findings(scan: CardDataScan) -> None:
    found = scan.findings()
    if found:
        raise AssertionError(f"card data was found: {found}")


def _path_of_call(call: str) -> str:
    if call not in CALL_PATHS:
        raise ValueError(f"no call {call!r}; there are: {', '.join(CALL_PATHS)}")
    return CALL_PATHS[call].replace("{prefix}", conf.current().order_prefix)
