"""Phone orders (MOTO): staff enter the card while the customer is on the phone.

Charged with ``POST /orders/moto``, without 3-D Secure, or offered to the customer as a
secure payment link. One order takes one card, once: another card needs a new attempt.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from typing import Any, Final

from django.db.models import Q, QuerySet
from django.utils import timezone

from nexi_payments import conf
from nexi_payments.card import Card
from nexi_payments.enums import Channel, OperationKind, OrderState
from nexi_payments.exceptions import (
    CardsNotAccepted,
    GatewayError,
    InvalidCustomer,
    MotoNotAllowed,
    OrderNotPayable,
    PossibleDuplicate,
)
from nexi_payments.flows import ceilings, shop_orders
from nexi_payments.flows.hosted import siblings
from nexi_payments.flows.inquiry import query
from nexi_payments.flows.ledger import approvals, operations, terminal_outages
from nexi_payments.flows.ledger.charge import Charge
from nexi_payments.flows.ledger.guards import Claim
from nexi_payments.flows.ledger.operations import PreconditionFailed
from nexi_payments.flows.ledger.transitions import NO_ACTOR, Actor
from nexi_payments.flows.orders import attempts, create, customer_data, velocity
from nexi_payments.flows.shop_orders import ShopOrder
from nexi_payments.flows.three_ds import card_columns
from nexi_payments.gateway.deadline import Deadline
from nexi_payments.gateway.payloads import Purchase
from nexi_payments.gateway.responses import OperationResult
from nexi_payments.models import Approval, Operation, PaymentOrder
from nexi_payments.models.text_storage import reject_text
from nexi_payments.text_input import one_line

#: A charge of the same amount within this time may be a duplicate.
DUPLICATE_WINDOW: Final = timedelta(minutes=10)


def create_moto_order(
    *,
    amount: Decimal,
    currency: str,
    reference: object,
    terminal: str,
    actor: Actor,
    description: str = "",
    customer: Mapping[str, Any] | None = None,
    nonce: str | None = None,
    accepted_difference: str | None = None,
) -> PaymentOrder:
    """Creates a phone order, or returns the live order of the reference.

    Arguments and errors as ``create_order``, and ``MotoNotAllowed``. Idempotent by
    ``nonce``: the same one returns the same order, in any state.

    Customer, user and content object of ``REFERENCE_LOOKUP`` come along; what
    ``customer`` says goes before it. Raises ``ShopOrderError`` if the shop's order does
    not confirm this one, with ``REFERENCE_LOOKUP_STRICT``. Without it that is accepted,
    unless ``accepted_difference`` is given: then only the error of this ``difference``
    is. The desk begins with "".
    """
    order, _ = get_or_create_moto_order(
        amount=amount,
        currency=currency,
        reference=reference,
        terminal=terminal,
        actor=actor,
        description=description,
        customer=customer,
        nonce=nonce,
        accepted_difference=accepted_difference,
    )
    return order


def get_or_create_moto_order(
    *,
    amount: Decimal,
    currency: str,
    reference: object,
    terminal: str,
    actor: Actor,
    description: str = "",
    customer: Mapping[str, Any] | None = None,
    nonce: str | None = None,
    accepted_difference: str | None = None,
    by_link: bool = False,
) -> tuple[PaymentOrder, bool]:
    """As ``create_moto_order``; also returns whether the order was created now.

    ``by_link``: the caller offers it as a secure link at once. So the terminal need not
    have ``MOTO``; ``InvalidAmount`` also if the link's terminal rejects the amount.
    """
    target = _require_terminal(terminal, by_link=by_link)
    order = create.build(
        amount=amount,
        currency=currency,
        reference=reference,
        description=description,
        customer=customer,
        terminal=terminal,
    )
    create.validate_amount(target, order.amount, order.currency)
    order.channel = Channel.MOTO
    order.clerk, order.clerk_name = actor.user, actor.staff_name
    order.request_nonce = nonce or None
    if (earlier := attempts.find_by_nonce(order)) is not None:
        return earlier, False
    found = shop_orders.require_agreement(
        order, user=actor.user, accepted=accepted_difference
    )
    if found is not None:
        _attach_shop_order(order, found, customer)
    lifetime = timedelta(seconds=conf.current().expire_after)
    order, created = attempts.insert_or_join(order, timezone.now() + lifetime)
    open_ = (OrderState.AWAITING_3DS, OrderState.AWAITING_HOSTED_PAGE)
    if order.state in open_ and not order.is_claimed:
        # abandoned at the issuer or at Nexi: the customer phoned instead
        order, created = attempts.create_attempt(order)
    return order, created


def _require_terminal(name: str, *, by_link: bool) -> conf.Terminal:
    """The terminal that will charge the order. Raises ``MotoNotAllowed``."""
    settings = conf.current()
    terminal = settings.terminal(name)
    target = settings.link_terminal(terminal) if by_link else terminal
    if target is None or not (by_link or terminal.moto):
        raise MotoNotAllowed(name)
    return target


def _attach_shop_order(
    order: PaymentOrder, found: ShopOrder, customer: Mapping[str, Any] | None
) -> None:
    """What the shop knows, where the clerk has said nothing else."""
    create.attach_owner(order, found.user, found.content_object)
    typed = {name: value for name, value in (customer or {}).items() if value}
    customer_data.attach_customer_info(order, {**(found.customer or {}), **typed})
    contact = found.contact
    order.customer_name = order.customer_name or contact.get("name", "")
    order.customer_email = order.customer_email or contact.get("email", "")
    order.description = order.description or one_line(found.description)[:255]


def pay_moto(
    order: PaymentOrder,
    card: Card,
    *,
    cardholder: str = "",
    allow_duplicate: bool = False,
    actor: Actor = NO_ACTOR,
) -> PaymentOrder:
    """Charges ``card`` for a phone order, once.

    The result is ``order.state``: ``paid``, ``authorized`` (manual capture),
    ``failed``, or ``paying`` while the outcome is unknown. Nexi requires ``cardholder``
    (or the order's customer name). A card with the same last four digits that was
    charged the same amount in the last ten minutes raises ``PossibleDuplicate``, unless
    ``allow_duplicate`` says that the caller wants it. An amount above the ceiling of
    ``actor`` raises ``ApprovalRequired`` until another person has approved it; the card
    is not kept. Also raises ``MotoNotAllowed``,
    ``OrderNotPayable``, ``OrderBusy``, ``InvalidCustomer``, ``CardDataNotAllowed``,
    ``CardBlocked``, ``TooManyAttempts`` (of the clerk), ``CardsNotAccepted`` and
    ``TerminalUnavailable``; and, where another attempt is on Nexi's hosted page,
    ``PaymentBeingConfirmed`` and ``GatewayUnavailable``. Nothing was sent after any of
    these.
    """
    reject_text("cardholder", cardholder)
    terminal = conf.current().terminal(order.terminal)
    if not terminal.moto:
        raise MotoNotAllowed(terminal.name)
    if not terminal.has_own_card_page:
        raise CardsNotAccepted(terminal.name)
    if order.state != OrderState.INIT:
        raise OrderNotPayable(order)
    approval = ceilings.require_approval_of_phone_order(order, actor)
    if not allow_duplicate and (
        earlier := tuple(possible_duplicates(order, card.last4))
    ):
        raise PossibleDuplicate(order, earlier)
    purchase = create.build_purchase(order, cardholder)
    if not purchase.cardholder:
        raise InvalidCustomer("a phone order needs the cardholder's name")
    client = conf.client(terminal)
    deadline = Deadline(conf.current().total_timeout)
    siblings.require_none_paid(order, deadline)
    try:
        call = _MotoCharge(order, client, deadline, actor, purchase, card, approval)
        operations.run(call)
    except GatewayError as error:
        terminal_outages.log_failure(order, error, client, deadline)
    if order.state == OrderState.PAYING:
        query.inquire_while_waiting(order, client, deadline)
    return order


@dataclass(repr=False, eq=False)
class _MotoCharge(Charge):
    kind = OperationKind.MOTO
    source = OrderState.INIT
    purchase: Purchase
    card: Card
    approval: Approval | None

    def claim(self) -> Claim:
        order, claim = self.order, super().claim()
        columns = card_columns(self.card, self.purchase.cardholder)
        return replace(
            claim,
            # not if it became a payment link on another terminal meanwhile
            conditions={"terminal": order.terminal, "channel": order.channel},
            changes=claim.changes | columns | {"channel": Channel.MOTO},
            guard=velocity.limit_clerk(order, self.card, self.actor),
        )

    def on_claim(self) -> None:
        approval = self.approval
        if approval is not None and not approvals.claim(approval, self.operation):
            raise PreconditionFailed

    def send(self, operation: Operation) -> OperationResult:
        return self.client.moto(
            self.purchase, self.card, self.capture_type, self.context(operation)
        )


def possible_duplicates(
    order: PaymentOrder, card_last4: str = ""
) -> QuerySet[PaymentOrder]:
    """Charges of the same amount in the last ten minutes, newest first.

    Of any card, or of the card that ends in ``card_last4``.
    """
    charged = Q(state__in=(OrderState.PAYING, OrderState.AUTHORIZED, OrderState.PAID))
    rows = PaymentOrder.objects.filter(
        charged | Q(state=OrderState.REVIEW),
        amount=order.amount,
        currency=order.currency,
        created_at__gte=timezone.now() - DUPLICATE_WINDOW - timedelta(hours=1),
        claimed_at__gte=timezone.now() - DUPLICATE_WINDOW,
    ).exclude(pk=order.pk)
    return rows.filter(card_last4=card_last4) if card_last4 else rows


def create_moto_attempt(order: PaymentOrder, *, actor: Actor) -> PaymentOrder:
    """A new attempt for a failed phone order, assigned to the clerk who wants it.

    Returns the attempt that waits for a card, where there is one. Raises
    ``ReferenceInUse``.
    """
    attempt, _ = attempts.create_attempt(order)
    rows = PaymentOrder.objects.filter(pk=attempt.pk, state=OrderState.INIT)
    if rows.update(clerk=actor.user, clerk_name=actor.staff_name):
        attempt.clerk, attempt.clerk_name = actor.user, actor.staff_name
    return attempt
