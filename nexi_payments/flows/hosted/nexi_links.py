"""Nexi's own payment links: create, fetch, renew and cancel them.

A link is an attempt on Nexi's hosted page that is open for days instead of an hour, and
that Nexi can close. The attempt is committed before the link is made; a lost answer
charges nothing, as nobody has the URL. ``link_closing`` closes a link whose attempt is
over.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final

from django.db.models import Q
from django.utils import timezone

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
from nexi_payments.flows.hosted import link_closing
from nexi_payments.flows.hosted.start import OpenPage, open_page
from nexi_payments.flows.inquiry import query
from nexi_payments.flows.ledger.guards import Guard
from nexi_payments.flows.ledger.operations import OperationUpdate
from nexi_payments.flows.ledger.transitions import NO_ACTOR, Actor
from nexi_payments.flows.orders import attempts, contract_terms, velocity
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
    """Whether ``create_nexi_link`` may be called: nobody has begun to pay, or the last
    attempt has failed, on a terminal with ``LINKS`` "nexi". Not for phone orders before
    ``offer_link``, nor for orders that save a card.
    """
    terminal = conf.current().terminals.get(attempts.shop_terminal(order))
    sends = terminal is not None and terminal.sends_nexi_links
    return sends and _is_payable(order) and _suits_link(order)


def _is_payable(order: PaymentOrder) -> bool:
    return order.state in (OrderState.INIT, OrderState.FAILED) and order.accepts_card


def _suits_link(order: PaymentOrder) -> bool:
    saves_card = contract_terms.contract_to_create(order) is not None
    return order.channel in (Channel.SHOP, Channel.LINK) and not saves_card


def create_nexi_link(
    order: PaymentOrder,
    expires_on: date,
    *,
    language: str | None = None,
    site: str = "",
    actor: Actor = NO_ACTOR,
) -> Step:
    """Makes a payment link of Nexi's for ``order``, to be paid until the end of
    ``expires_on``: from tomorrow to 90 days ahead, in Italian time.

    ``order`` is an unpaid one of ``create_order``, or a secure link (``offer_link``);
    after a failed attempt a new one is made. Our own page stays open beside it.
    ``language`` is that of Nexi's hosted page (default: the active one). Send
    ``step.redirect_to`` to the customer; it is stored nowhere (``fetch_nexi_link``).
    Without it there is no link: ``step.order`` has failed, because Nexi's answer was
    lost or the shop vetoed it.

    Raises ``ValueError`` for another day, ``MethodNotOffered`` where ``LINKS`` is not
    "nexi" or the order saves a card, ``OrderNotPayable``, also for an order that has a
    link, ``OrderBusy``, ``PaymentBeingConfirmed``, ``ReferenceInUse``,
    ``TerminalUnavailable`` and ``GatewayUnavailable``. There is no
    link then.
    """
    _require_day(expires_on)
    shop = conf.current().terminal(attempts.shop_terminal(order))
    if not (shop.sends_nexi_links and _suits_link(order)):
        raise MethodNotOffered(order, payment_methods.LINK)
    if not may_create(order):
        raise OrderNotPayable(order)
    return open_page(
        order,
        _CreateLink,
        may_create,
        method=payment_methods.LINK,
        language=language,
        site=site,
        actor=actor,
        expires_on=expires_on,
    )


@dataclass(repr=False, eq=False)
class _CreateLink(OpenPage):
    """Until Nexi answers, the attempt expires as a page does: a crash leaves no link
    that somebody has."""

    #: two people at once must not both send a link
    supersedes = False

    expires_on: date = date.min

    @classmethod
    def limit(cls, order: PaymentOrder, actor: Actor, terminal: str) -> Guard:
        return velocity.limit_link(order, terminal)

    def on_claim(self) -> None:
        super().on_claim()
        link = NexiLink(
            order=self.order,
            expires_on=self.expires_on,
            latest_day=self.expires_on,
            next_try_at=timezone.now(),
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


def fetch_nexi_link(order: PaymentOrder, *, site: str = "") -> str:
    """The URL of the open link of ``order``, from Nexi: to send it again.

    Changes nothing. Raises ``InvalidState`` without an open link, and
    ``GatewayUnavailable``.
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


def renew_nexi_link(
    order: PaymentOrder, expires_on: date, *, site: str = ""
) -> PaymentOrder:
    """Moves the last day of the open link of ``order``. Its URL stays the same.

    Idempotent. Returns ``order``, reloaded. Raises ``ValueError`` for a day that
    ``create_nexi_link`` does not take, ``InvalidState`` without an open link, or if
    Nexi refuses the day (at most 90 days after the first one), and
    ``GatewayUnavailable``: then the old day counts here, and the link is cancelled at
    Nexi when it is over.
    """
    _require_day(expires_on)
    link = _require_open(order)
    # before it is sent: should the answer be lost, the link may be open until then
    earlier = NexiLink.objects.filter(pk=link.pk, latest_day__lt=expires_on)
    earlier.update(latest_day=expires_on)
    client = _client(order, site)
    try:
        client.renew_payment_link(conf.call_context(), link.link_id, expires_on)
    except Rejected:
        raise InvalidState(order) from None
    except GatewayError:
        raise GatewayUnavailable(order.terminal) from None
    _write_renewal(order, expires_on)
    return order


@db_transactions.retried()
def _write_renewal(order: PaymentOrder, expires_on: date) -> None:
    link = NexiLink.objects.filter(
        order=order, is_closed=False, cancel_asked_at__isnull=True
    )
    if link.update(expires_on=expires_on):  # not if it was cancelled meanwhile
        still_open = PaymentOrder.objects.filter(
            pk=order.pk, state=OrderState.AWAITING_HOSTED_PAGE
        )
        still_open.update(**_open_until(expires_on))
    order.refresh_from_db()


def cancel_nexi_link(order: PaymentOrder, *, site: str = "") -> PaymentOrder:
    """Closes the link of ``order`` at Nexi, then asks how the order stands: it has
    failed (``expired``), unless it was paid before.

    Idempotent. Returns ``order``, reloaded. Raises ``InvalidState`` without a link that
    was open, ``OrderNotPayable`` if the link was used, and ``GatewayUnavailable``: then
    it may still be paid, and ``reconcile`` cancels it.
    """
    db_transactions.require_no_transaction()
    order.refresh_from_db()
    link = find_open(order) or find_cancelled(order)
    if link is None:
        raise InvalidState(order)
    _ask_to_cancel(link)
    client = _client(order, site)
    used = False if link.is_closed else link_closing.close(link, order, client)
    if used is None:
        raise GatewayUnavailable(order.terminal)
    order.refresh_from_db()
    if order.state == OrderState.AWAITING_HOSTED_PAGE:
        deadline = Deadline(conf.current().total_timeout)
        query.inquire_and_apply(order, client, deadline)
    unpaid = (OrderState.AWAITING_HOSTED_PAGE, OrderState.FAILED)
    if used or order.state not in unpaid:
        raise OrderNotPayable(order)
    return order


def _ask_to_cancel(link: NexiLink) -> None:
    """Committed before Nexi is asked: should this process die, the reconciler goes on.
    It leaves the first requests to us.
    """
    wait = timedelta(seconds=conf.current().claim_timeout)
    now = timezone.now()
    NexiLink.objects.filter(pk=link.pk, cancel_asked_at__isnull=True).update(
        cancel_asked_at=now, next_try_at=now + wait
    )


def find_open(order: PaymentOrder) -> NexiLink | None:
    """The link on which ``order`` may be paid now, and that nobody has cancelled."""
    if (order.state, order.method) != (
        OrderState.AWAITING_HOSTED_PAGE,
        payment_methods.LINK,
    ):
        return None
    links = NexiLink.objects.filter(order=order, is_closed=False)
    return links.filter(~Q(link_id=""), cancel_asked_at__isnull=True).first()


def find_cancelled(order: PaymentOrder) -> NexiLink | None:
    """The link of ``order`` that somebody has cancelled here. Until it ``is_closed``,
    Nexi has not confirmed it.
    """
    return NexiLink.objects.filter(order=order, cancel_asked_at__isnull=False).first()


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
