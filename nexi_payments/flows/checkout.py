"""A shopper posts a card: 3-D Secure begins, the browser goes to the issuer."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.urls import reverse
from django.utils import timezone

from nexi_payments import conf, hold, states
from nexi_payments.card import Card
from nexi_payments.exceptions import (
    ConsentNeeded,
    GatewayError,
    HoldUnavailable,
    OrderNotPayable,
)
from nexi_payments.flows import agreements, alarms, ledger, limits, orders, verdicts
from nexi_payments.flows.ledger import Claim, Settlement
from nexi_payments.flows.moves import NOBODY, Actor
from nexi_payments.gateway.deadline import Deadline
from nexi_payments.gateway.results import InitResult
from nexi_payments.models import Operation, PaymentOrder
from nexi_payments.states import Reason


@dataclass(frozen=True)
class RedirectForm:
    """The form that takes the browser to the issuer: exactly the documented fields."""

    action: str
    fields: dict[str, str] = field(repr=False)  # ReturnUrl holds the token


@dataclass(frozen=True)
class Step:
    """What to do next: post ``redirect`` from the browser, or show ``order``."""

    order: PaymentOrder
    redirect: RedirectForm | None = None


def start_payment(
    order: PaymentOrder,
    card: Card,
    *,
    cardholder: str = "",
    site: str = "",
    agreed: str = "",
    actor: Actor = NOBODY,
) -> Step:
    """Takes a card for ``order`` (or for a new attempt at it) and asks for 3-D Secure.

    ``site`` is our own address (``conf.site_address``). ``agreed`` are the words that
    the shopper has ticked, where the card is to stay on file (``order.contract``). A
    failed order, and one left at the issuer, is not changed: a new attempt is made,
    ``step.order``. Raises ``OrderNotPayable``, ``ConsentNeeded``, ``ReferenceInUse``,
    ``OrderBusy``, ``TooManyAttempts``, ``CardBlocked`` and ``TerminalUnavailable``;
    nothing was sent then. Everything else, a decline too, is ``step.order.state``.
    """
    terminal = conf.current().terminal(order.terminal)
    address = site or conf.site_address()
    hold.server_key()  # without a key to hold the card with, do not begin
    if not order.takes_card:
        raise OrderNotPayable(order)
    limits.admit(order, card, actor)
    if agreements.wanted(order) is not None and not agreed.strip():
        raise ConsentNeeded(order)
    if order.state != states.INIT:
        order = orders.another_attempt(order)
    contract = agreements.wanted(order)
    token = hold.new_token()
    client = conf.client(terminal, address)
    deadline = Deadline(conf.current().total_timeout)
    purchase = orders.purchase(order, cardholder)

    def send(operation: Operation) -> InitResult:
        trace = conf.trace(deadline, operation.correlation_id)
        return client.init(order.flow, purchase, card, trace)

    def conclude(answer: InitResult) -> Settlement:
        safe = conf.three_ds_address_is_safe(answer.auth_url, terminal, address)
        settlement = verdicts.of_init(answer, url_is_safe=safe)
        if settlement.state == states.AWAITING_3DS:
            return _waiting(order, settlement, card, token)
        return settlement

    claim = Claim(
        states.INIT,
        guard={"terminal": order.terminal},
        changes=card_facts(card, cardholder),
        also=lambda: agreements.agree(contract, agreed, actor.address),
    )
    try:
        answer = ledger.perform(
            order,
            states.AUTHENTICATION,
            claim,
            send,
            conclude,
            verdicts.after_harmless,
            actor=actor,
        )
    except GatewayError as error:
        alarms.note(order, error)
        return Step(order)
    if order.state != states.AWAITING_3DS:
        return Step(order)
    back = reverse("nexi_payments:return", args=[order.public_id, token])
    fields = {
        "ThreeDsRequest": answer.auth_request,
        "ReturnUrl": address + back,
        "transactionId": answer.operation.operation_id,
    }
    return Step(order, RedirectForm(answer.auth_url, fields))


def _waiting(
    order: PaymentOrder, settlement: Settlement, card: Card, token: str
) -> Settlement:
    """Awaiting the issuer: the card sealed and the clock started, in one commit."""
    try:
        keep = hold.seal(order, card, token)
    except HoldUnavailable:
        # better now than after the challenge; nothing can be charged without the card
        return Settlement(
            settlement.outcome,
            states.FAILED,
            Reason.NOT_HELD,
            operation=settlement.operation,
        )
    expires_at = timezone.now() + timedelta(seconds=conf.current().expire_after)
    times = {"expires_at": expires_at, "due_at": expires_at}
    return Settlement(
        settlement.outcome,
        settlement.state,
        order=settlement.order | times | {"token_hash": hold.fingerprint(token)},
        operation=settlement.operation,
        also=keep,
    )


def card_facts(card: Card, cardholder: str) -> dict[str, Any]:
    """The columns that are kept of a card."""
    return {
        "card_brand": card.brand,
        "card_bin": card.bin6,
        "card_last4": card.last4,
        "card_expiry": card.expiry,
        "cardholder_name": cardholder[:255],
    }
