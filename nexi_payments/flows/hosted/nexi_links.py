"""Nexi's own payment links: create, show again, renew and cancel them.

A link is an attempt on Nexi's page that is open for days instead of an hour, and that
Nexi can close. The attempt is committed before the link is made; a lost answer charges
nothing, as nobody has the URL. ``link_closing`` closes a link whose attempt is over.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final

from django.db.models import Q
from django.utils import timezone, translation

from nexi_payments import conf, payment_methods
from nexi_payments.enums import Channel, OperationOutcome, OrderState, Reason
from nexi_payments.exceptions import (
    GatewayError,
    GatewayUnavailable,
    InvalidState,
    MethodNotOffered,
    OrderNotPayable,
    Rejected,
)
from nexi_payments.flows.hosted import link_closing, siblings, ways_back
from nexi_payments.flows.hosted.start import OpenPage
from nexi_payments.flows.inquiry import query
from nexi_payments.flows.ledger import (
    operations,
    terminal_outages,
)
from nexi_payments.flows.ledger.guards import Guard
from nexi_payments.flows.ledger.operations import OperationUpdate
from nexi_payments.flows.ledger.transitions import NO_ACTOR, Actor
from nexi_payments.flows.orders import attempts, create, velocity
from nexi_payments.flows.steps import Step
from nexi_payments.gateway.client import Client
from nexi_payments.gateway.deadline import Deadline
from nexi_payments.gateway.hosted_responses import ACTIVE, HostedPage, PaymentLink
from nexi_payments.models import Operation, PaymentOrder, db_transactions, raw_sql
from nexi_payments.models.hosted_page import NexiLink

#: Nexi's limit: days from the first day.
MAX_DAYS: Final = 90


def last_days() -> tuple[date, date]:
    """The first and the last day on which a new link may end. Nexi takes no link that
    ends today.
    """
    today = timezone.now().astimezone(link_closing.GATEWAY_TIME_ZONE).date()
    return today + timedelta(days=1), today + timedelta(days=MAX_DAYS)


def may_create(order: PaymentOrder) -> bool:
    """Whether ``create_nexi_link`` may be called: a secure link that is not used, or
    whose last attempt has failed, on a terminal with ``LINKS`` "nexi".
    """
    unused = order.state in (OrderState.INIT, OrderState.FAILED) and order.accepts_card
    terminal = conf.current().terminals.get(attempts.shop_terminal(order))
    sends = terminal is not None and terminal.sends_nexi_links
    return unused and sends and order.channel == Channel.LINK


def create_nexi_link(
    order: PaymentOrder,
    expires_on: date,
    *,
    language: str | None = None,
    site: str = "",
    actor: Actor = NO_ACTOR,
) -> Step:
    """Makes a payment link of Nexi's for ``order``, to be paid until ``expires_on``.

    ``order`` is a secure link (``flows.offer_link``), as ``may_create`` says; after a
    failed attempt a new one is made. Our own page stays open beside it. Send
    ``step.redirect_to`` to the customer. Without it there is no link: the attempt has
    failed, or Nexi's answer was lost.

    Raises ``ValueError`` for a day that is not in ``last_days``, ``MethodNotOffered``
    where ``LINKS`` is not "nexi", ``OrderNotPayable``, ``OrderBusy``,
    ``PaymentBeingConfirmed``, ``TerminalUnavailable`` and ``GatewayUnavailable``. There
    is no link then.
    """
    _require_day(expires_on)
    shop = conf.current().terminal(attempts.shop_terminal(order))
    if not shop.sends_nexi_links:
        raise MethodNotOffered(order, payment_methods.LINK)
    if not may_create(order):
        raise OrderNotPayable(order)
    address = site or conf.site_address()
    opener = conf.current().hosted_terminal(shop)
    if order.state != OrderState.INIT:  # before a new attempt is created
        velocity.limit_link(order, opener.name).explain()
    deadline = Deadline(conf.current().total_timeout)
    siblings.require_none_paid(order, deadline, site=address)
    if order.state == OrderState.FAILED:
        order, _ = attempts.create_attempt(order)
    if not may_create(order):
        raise OrderNotPayable(order)
    call = _CreateLink(
        order,
        conf.client(opener, address),
        deadline,
        actor,
        purchase=create.build_purchase(order, ""),
        method=payment_methods.LINK,
        shop_terminal=shop.name,
        terminal=opener,
        site=address,
        language=language or translation.get_language() or "en",
        expires_on=expires_on,
    )
    try:
        operations.run(call)
    except GatewayError as error:
        terminal_outages.log_failure(order, error, call.client, deadline)
        return Step(order)
    return Step(order, redirect_to=call.released_url)


@dataclass(repr=False, eq=False)
class _CreateLink(OpenPage):
    """Until Nexi answers, the attempt expires as a page does: a crash leaves no link
    that somebody has."""

    expires_on: date = date.min

    def guard(self) -> Guard:
        return velocity.limit_link(self.order, self.terminal.name)

    def on_claim(self) -> None:
        super().on_claim()
        link = NexiLink(
            order=self.order, expires_on=self.expires_on, next_try_at=timezone.now()
        )
        raw_sql.insert(link)

    def send(self, operation: Operation) -> PaymentLink:
        return self.client.create_payment_link(
            self.context(operation),
            self.purchase,
            expires_on=self.expires_on,
            language=self.language,
            urls=self.urls(),
        )

    def on_answer(self, answer: HostedPage | PaymentLink) -> OperationUpdate:
        update = super().on_answer(answer)
        if update.outcome == OperationOutcome.ACCEPTED:
            update.order.update(_open_until(self.expires_on))
        return update

    def on_settle(self, update: OperationUpdate) -> None:
        super().on_settle(update)
        # one with an address that is not safe is known, too: it is cancelled
        answered = update.reason == Reason.UNSAFE_HOSTED_PAGE_URL
        if update.outcome == OperationOutcome.ACCEPTED or answered:
            assert isinstance(self.answer, PaymentLink)  # noqa: S101  for mypy
            rows = NexiLink.objects.filter(order=self.order)
            rows.update(link_id=self.answer.link_id)


def fetch_url(order: PaymentOrder, *, site: str = "") -> str:
    """The URL of the open link of ``order``, from Nexi.

    Raises ``InvalidState`` without an open link, and ``GatewayUnavailable``.
    """
    link = _require_open(order)
    opener = conf.current().terminal(order.terminal)
    try:
        found = _client(order, site).get_payment_link(conf.call_context(), link.link_id)
    except Rejected:
        raise InvalidState(order) from None
    except GatewayError:
        raise GatewayUnavailable(order.terminal) from None
    safe = conf.is_safe_hosted_page_url(found.url, opener, site or conf.site_address())
    if found.status != ACTIVE or not safe:
        raise InvalidState(order)
    return found.url


def renew_nexi_link(order: PaymentOrder, expires_on: date, *, site: str = "") -> None:
    """Moves the last day of the open link of ``order``. Its URL stays the same.

    Idempotent. Raises ``ValueError`` for a day that is not in ``last_days``,
    ``InvalidState`` without an open link, or if Nexi refuses the day (at most 90 days
    after the first one), and ``GatewayUnavailable``: then the old day counts here.
    """
    _require_day(expires_on)
    link = _require_open(order)
    client = _client(order, site)
    try:
        client.renew_payment_link(conf.call_context(), link.link_id, expires_on)
    except Rejected:
        raise InvalidState(order) from None
    except GatewayError:
        raise GatewayUnavailable(order.terminal) from None
    _write_renewal(order, expires_on)


@db_transactions.retried()
def _write_renewal(order: PaymentOrder, expires_on: date) -> None:
    still_open = PaymentOrder.objects.filter(
        pk=order.pk, state=OrderState.AWAITING_HOSTED_PAGE
    )
    still_open.update(**_open_until(expires_on))
    NexiLink.objects.filter(order=order).update(expires_on=expires_on)
    order.refresh_from_db()


def cancel_nexi_link(order: PaymentOrder, *, site: str = "") -> PaymentOrder:
    """Closes the open link of ``order`` at Nexi, then asks how the order stands: it has
    failed (``expired``), unless it was paid before.

    Raises ``InvalidState`` without an open link, ``OrderNotPayable`` if the link was
    used, and ``GatewayUnavailable``: then it may still be paid, and may be cancelled
    again.
    """
    link = _require_open(order)
    client = _client(order, site)
    used = link_closing.close(link, order, client)
    if used is None:
        raise GatewayUnavailable(order.terminal)
    if not used:
        still_open = PaymentOrder.objects.filter(
            pk=order.pk, state=OrderState.AWAITING_HOSTED_PAGE
        )
        still_open.update(expires_at=timezone.now())
    ways_back.trigger(order)
    query.inquire_and_apply(order, client, Deadline(conf.current().total_timeout))
    if used:
        raise OrderNotPayable(order)
    return order


def find_open(order: PaymentOrder) -> NexiLink | None:
    """The link on which ``order`` may be paid now."""
    if (order.state, order.method) != (
        OrderState.AWAITING_HOSTED_PAGE,
        payment_methods.LINK,
    ):
        return None
    links = NexiLink.objects.filter(order=order, is_closed=False)
    return links.filter(~Q(link_id="")).first()


def _require_open(order: PaymentOrder) -> NexiLink:
    db_transactions.require_no_transaction()
    order.refresh_from_db()
    if (link := find_open(order)) is None:
        raise InvalidState(order)
    return link


def _require_day(expires_on: date) -> None:
    first, last = last_days()
    if not first <= expires_on <= last:
        raise ValueError(f"the last day must be between {first} and {last}")


def _open_until(expires_on: date) -> dict[str, Any]:
    end = link_closing.end_of(expires_on)
    return {"expires_at": end, "pay_until": end}


def _client(order: PaymentOrder, site: str) -> Client:
    return conf.client(conf.current().terminal(order.terminal), site)
