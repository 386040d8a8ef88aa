"""Starts 3-D Secure for a posted card; the browser goes to the issuer."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from django.utils import timezone

from nexi_payments import conf, page_paths, sealed_cards
from nexi_payments.card import Card
from nexi_payments.enums import OperationKind, OperationOutcome, OrderState, Reason
from nexi_payments.exceptions import (
    CardsNotAccepted,
    ConsentRequired,
    GatewayError,
    OrderNotPayable,
    SealedCardUnavailable,
)
from nexi_payments.flows.hosted import siblings
from nexi_payments.flows.ledger import operations, outcomes, terminal_outages
from nexi_payments.flows.ledger.guards import Claim
from nexi_payments.flows.ledger.operations import GatewayCall, OperationUpdate
from nexi_payments.flows.ledger.transitions import NO_ACTOR, Actor
from nexi_payments.flows.orders import attempts, contract_terms, create, velocity
from nexi_payments.flows.steps import RedirectForm, Step
from nexi_payments.gateway.deadline import Deadline
from nexi_payments.gateway.payloads import Purchase
from nexi_payments.gateway.responses import InitResult
from nexi_payments.models import Operation, PaymentOrder
from nexi_payments.models.text_storage import reject_text


def start_payment(
    order: PaymentOrder,
    card: Card,
    *,
    cardholder: str = "",
    site: str = "",
    consent_text: str = "",
    actor: Actor = NO_ACTOR,
) -> Step:
    """Starts 3-D Secure with a card for ``order``, or for a new attempt at it.

    ``site`` is our own base URL (``conf.site_address``). ``consent_text`` is the text
    that the shopper ticked, required to save the card (``order.contract``). For a
    failed or abandoned order a new attempt is created: ``step.order``. Raises
    ``OrderNotPayable``, ``ConsentRequired``, ``ReferenceInUse``, ``OrderBusy``,
    ``TooManyAttempts``, ``CardBlocked``, ``TerminalUnavailable``,
    ``SealedCardUnavailable`` (no key to seal the card with), ``CardsNotAccepted`` and
    ``CardDataNotAllowed`` (the cardholder), and, where another attempt is on Nexi's
    hosted page, ``PaymentBeingConfirmed`` and ``GatewayUnavailable``; nothing was sent
    then.
    Every other result, also a decline, is ``step.order.state``.
    """
    reject_text("cardholder", cardholder)
    terminal = conf.current().terminal(attempts.shop_terminal(order))
    if not terminal.has_own_card_page:
        raise CardsNotAccepted(terminal.name)
    address = site or conf.site_address()
    sealed_cards.server_key(order)  # raises without a key to seal the card with
    if not order.accepts_card:
        raise OrderNotPayable(order)
    if order.state != OrderState.INIT:  # before a new attempt is created
        velocity.limit_shopper(order, card, actor, terminal=terminal.name).explain()
    siblings.require_none_paid(order, site=address)
    if not order.accepts_card:
        raise OrderNotPayable(order)
    if (
        contract_terms.contract_to_create(order) is not None
        and not consent_text.strip()
    ):
        raise ConsentRequired(order)
    if order.state != OrderState.INIT:
        order, _ = attempts.create_attempt(order)
    call = _Authentication(
        order,
        conf.client(terminal, address),
        Deadline(conf.current().total_timeout),
        actor,
        purchase=create.build_purchase(order, cardholder),
        card=card,
        cardholder=cardholder,
        consent_text=consent_text,
        site=address,
    )
    try:
        operations.run(call)
    except SealedCardUnavailable:
        return Step(order)
    except GatewayError as error:
        terminal_outages.log_failure(order, error, call.client, call.deadline)
        return Step(order)
    if order.state != OrderState.AWAITING_3DS:
        return Step(order)
    return_path = page_paths.public_path("return", order.public_id, call.token)
    fields = {
        "ThreeDsRequest": call.answer.auth_request,
        "ReturnUrl": address + return_path,
        "transactionId": call.answer.operation.operation_id,
    }
    return Step(order, RedirectForm(call.answer.auth_url, fields))


@dataclass(repr=False, eq=False)
class _Authentication(GatewayCall[InitResult]):
    """Starts 3-D Secure. The card is sealed until the shopper returns."""

    kind = OperationKind.AUTHENTICATION
    source = OrderState.INIT

    purchase: Purchase
    card: Card
    cardholder: str
    consent_text: str
    site: str
    token: str = field(default_factory=sealed_cards.new_token)

    def claim(self) -> Claim:
        return Claim(
            conditions={"terminal": self.order.terminal},
            changes=card_columns(self.card, self.cardholder),
            guard=velocity.limit_shopper(self.order, self.card, self.actor),
        )

    def on_claim(self) -> None:
        contract = contract_terms.contract_to_create(self.order)
        contract_terms.record_consent(contract, self.consent_text, self.actor.address)

    def send(self, operation: Operation) -> InitResult:
        context = self.context(operation)
        return self.client.init(self.order.flow, self.purchase, self.card, context)

    def on_answer(self, answer: InitResult) -> OperationUpdate:
        terminal = conf.current().terminal(self.order.terminal)
        safe = conf.is_safe_three_ds_url(answer.auth_url, terminal, self.site)
        update = outcomes.of_init(answer, url_is_safe=safe)
        if update.state != OrderState.AWAITING_3DS:
            return update
        expires_at = timezone.now() + timedelta(seconds=conf.current().expire_after)
        times = {"expires_at": expires_at, "next_poll_at": expires_at}
        token_hash = {"token_hash": sealed_cards.hash_token(self.token)}
        return replace(update, order=update.order | times | token_hash)

    def on_error(self, error: BaseException) -> OperationUpdate:
        if not isinstance(error, SealedCardUnavailable):
            return outcomes.of_uncharged_error(error)
        # fail before the challenge: nothing can be charged without the card
        return OperationUpdate(
            OperationOutcome.DONE,
            OrderState.FAILED,
            Reason.CARD_NOT_STORED,
            operation=outcomes.operation_columns(self.answer.operation),
        )

    def on_settle(self, update: OperationUpdate) -> None:
        if update.state == OrderState.AWAITING_3DS:
            sealed_cards.seal(self.order, self.card, self.token)


def card_columns(card: Card, cardholder: str) -> dict[str, Any]:
    """The order's columns that describe a card."""
    return {
        "card_brand": card.brand,
        "card_bin": card.bin6,
        "card_last4": card.last4,
        "card_expiry": card.expiry,
        "cardholder_name": cardholder[:255],
    }
