"""Opens Nexi's hosted page for an order. The shopper pays there, not here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, ClassVar
from urllib.parse import urlsplit

from django.utils import timezone, translation

from nexi_payments import conf, page_paths, sealed_cards
from nexi_payments.enums import (
    CaptureMode,
    DiscrepancyKind,
    OperationKind,
    OperationOutcome,
    OrderState,
    Reason,
)
from nexi_payments.exceptions import GatewayError, OrderNotPayable
from nexi_payments.flows.hosted import offers, siblings
from nexi_payments.flows.ledger import charge, operations, outcomes, terminal_outages
from nexi_payments.flows.ledger.guards import Claim, Guard
from nexi_payments.flows.ledger.operations import GatewayCall, OperationUpdate
from nexi_payments.flows.ledger.transitions import NO_ACTOR, Actor
from nexi_payments.flows.orders import attempts, create, velocity
from nexi_payments.flows.steps import Step
from nexi_payments.gateway.deadline import Deadline
from nexi_payments.gateway.hosted_payloads import BrowserUrls
from nexi_payments.gateway.hosted_responses import HostedPage as OpenedPage
from nexi_payments.gateway.hosted_responses import PaymentLink
from nexi_payments.gateway.payloads import Purchase
from nexi_payments.models import Operation, PaymentOrder, raw_sql
from nexi_payments.models.hosted_page import HostedPage


def start_hosted_payment(
    order: PaymentOrder,
    method: str,
    *,
    language: str | None = None,
    site: str = "",
    actor: Actor = NO_ACTOR,
) -> Step:
    """Opens Nexi's hosted page for ``order``, or for a new attempt at it.

    ``method`` is a code of ``flows.payment_methods(order)``. ``language`` is that of
    the page (default: the active one), ``site`` our own base URL. Send the browser to
    ``step.redirect_to``. Without it the page was not opened: show ``step.order``.

    Raises ``OrderNotPayable``, ``PaymentBeingConfirmed``, ``MethodNotOffered``,
    ``ReferenceInUse``, ``OrderBusy``, ``TooManyAttempts``, ``TerminalUnavailable`` and
    ``GatewayUnavailable`` (Nexi did not answer about an earlier page). No page was
    opened then. ``BEFORE_CHARGE`` is asked first: after its veto ``step.order`` has
    failed.
    """
    if not order.accepts_card:
        raise OrderNotPayable(order)
    offered = offers.require_offered(order, method)
    return open_page(
        order,
        OpenPage,
        lambda one: one.accepts_card,
        method=offered.code,
        language=language,
        site=site,
        actor=actor,
    )


def open_page(
    order: PaymentOrder,
    kind: type[OpenPage],
    may_open: Callable[[PaymentOrder], bool],
    *,
    method: str,
    language: str | None,
    site: str,
    actor: Actor,
    **details: Any,
) -> Step:
    """Opens a page at Nexi for ``order``, or for a new attempt if it was used already.

    ``kind`` is the request, with ``details`` of its own. ``may_open`` is asked again
    after the status inquiries of the other pages of the purchase. Errors as
    ``start_hosted_payment``, but ``MethodNotOffered``.
    """
    address = site or conf.site_address()
    shop = conf.current().terminal(attempts.shop_terminal(order))
    opener = conf.current().hosted_terminal(shop)
    if order.state != OrderState.INIT:  # before a new attempt is created
        kind.limit(order, actor, opener.name).explain()
    deadline = Deadline(conf.current().total_timeout)
    siblings.require_none_paid(order, deadline, site=address)
    if not may_open(order):
        raise OrderNotPayable(order)
    if order.state != OrderState.INIT:
        order, _ = attempts.create_attempt(order, supersedes=kind.supersedes)
    call = kind(
        order,
        conf.client(opener, address),
        deadline,
        actor,
        purchase=create.build_purchase(order, ""),
        method=method,
        shop_terminal=shop.name,
        terminal=opener,
        site=address,
        language=language or translation.get_language() or "en",
        **details,
    )
    try:
        operations.run(call)
    except GatewayError as error:
        terminal_outages.log_failure(order, error, call.client, deadline)
        return Step(order)
    return Step(order, redirect_to=call.released_url)


@dataclass(repr=False, eq=False)
class OpenPage(GatewayCall[OpenedPage | PaymentLink]):
    """Opens the page. It charges nothing, but from its answer on a charge may exist."""

    kind = OperationKind.HOSTED
    source = OrderState.INIT
    target = OrderState.AWAITING_HOSTED_PAGE
    #: whether a new attempt may take the place of another one on Nexi's hosted page
    supersedes: ClassVar[bool] = True

    purchase: Purchase
    method: str
    shop_terminal: str
    terminal: conf.Terminal
    site: str
    language: str
    return_token: str = field(default_factory=sealed_cards.new_token)
    notify_token: str = field(default_factory=sealed_cards.new_token)
    #: set once the commit has found the attempt still open
    released_url: str = ""

    def is_vetoed(self) -> bool:
        return charge.is_vetoed(self)

    def claim(self) -> Claim:
        now = timezone.now()
        expires_at = now + timedelta(seconds=conf.current().hosted_expire_after)
        wait = timedelta(seconds=conf.current().claim_timeout)
        return Claim(
            conditions={"terminal": self.shop_terminal},
            changes={
                "method": self.method,
                "terminal": self.terminal.name,
                # Nexi captures: the page takes no captureType for all methods
                "capture": CaptureMode.AUTOMATIC,
                "charging_since": now,
                "expires_at": expires_at,
                "next_poll_at": now + wait,
                "token_hash": sealed_cards.hash_token(self.return_token),
            },
            details={"amount": self.order.amount},
            guard=self.limit(self.order, self.actor, self.terminal.name),
        )

    @classmethod
    def limit(cls, order: PaymentOrder, actor: Actor, terminal: str) -> Guard:
        return velocity.limit_shopper(order, None, actor, terminal=terminal)

    def on_claim(self) -> None:
        page = HostedPage(
            order=self.order,
            shop_terminal=self.shop_terminal,
            notify_hash=sealed_cards.hash_token(self.notify_token),
        )
        raw_sql.insert(page)

    def send(self, operation: Operation) -> OpenedPage | PaymentLink:
        return self.client.create_hosted_page(
            self.context(operation),
            self.purchase,
            payment_service=self.method,
            urls=self.urls(),
            language=self.language,
        )

    def urls(self) -> BrowserUrls:
        """In an object that hides them: error trackers store the locals of frames."""
        back = self.site + self._path("hosted", self.return_token)
        return BrowserUrls(back, back, self._notification_url())

    def _path(self, name: str, token: str) -> str:
        return page_paths.public_path(name, self.order.public_id, token)

    def _notification_url(self) -> str | None:
        """Nexi calls ports 80 and 443 only. Without it the reconciler finds all."""
        url = self.site + self._path("notify", self.notify_token)
        reachable = urlsplit(url).port in (None, 80, 443)
        return url if reachable or self.terminal.simulated else None

    def on_answer(self, answer: OpenedPage | PaymentLink) -> OperationUpdate:
        if not conf.is_safe_hosted_page_url(answer.url, self.terminal, self.site):
            return OperationUpdate(
                OperationOutcome.DECLINED,
                OrderState.FAILED,
                Reason.UNSAFE_HOSTED_PAGE_URL,
                discrepancy=(
                    DiscrepancyKind.UNSAFE_HOSTED_PAGE_URL,
                    "HOSTED_PAGE_HOSTS",
                    "another address",
                ),
            )
        due = timezone.now() + timedelta(minutes=1)
        return OperationUpdate(
            OperationOutcome.ACCEPTED,
            order={"next_poll_at": due},
            operation={"http_status": 200},
        )

    def on_error(self, error: BaseException) -> OperationUpdate:
        return outcomes.of_hosted_page_error(error)

    def on_settle(self, update: OperationUpdate) -> None:
        if update.outcome == OperationOutcome.ACCEPTED:
            token = self.answer.security_token
            token = sealed_cards.hash_token(token) if token else ""
            HostedPage.objects.filter(order=self.order).update(security_hash=token)
            self.released_url = self.answer.url
