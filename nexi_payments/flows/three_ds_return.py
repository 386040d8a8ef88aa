"""Handles the return from 3-D Secure: validate, then charge once."""

from __future__ import annotations

import hmac
import logging
import time
from abc import abstractmethod
from dataclasses import dataclass, replace

from django.utils import timezone

from nexi_payments import conf, sealed_cards
from nexi_payments.card import Card
from nexi_payments.enums import (
    Flow,
    OperationKind,
    OperationOutcome,
    OrderState,
    Reason,
)
from nexi_payments.exceptions import (
    GatewayError,
    GatewayUnavailable,
    NotSent,
    OrderBusy,
    OrderNotPayable,
    Rejected,
    UnknownOutcome,
)
from nexi_payments.flows.hosted import siblings
from nexi_payments.flows.inquiry import query, unfinished
from nexi_payments.flows.ledger import operations, outcomes, terminal_outages
from nexi_payments.flows.ledger.charge import Charge, claim_columns
from nexi_payments.flows.ledger.guards import Claim
from nexi_payments.flows.ledger.operations import (
    Answer,
    GatewayCall,
    OperationUpdate,
)
from nexi_payments.flows.ledger.transitions import NO_ACTOR, Actor
from nexi_payments.flows.orders import attempts, create
from nexi_payments.gateway import result_codes
from nexi_payments.gateway.client import Client
from nexi_payments.gateway.deadline import Deadline
from nexi_payments.gateway.payloads import Authentication, Purchase
from nexi_payments.gateway.responses import OperationResult, ValidationResult
from nexi_payments.models import Operation, PaymentOrder

log = logging.getLogger("nexi_payments.three_ds_return")

#: Seconds. The longest ``Retry-After`` that a request waits for.
_LONGEST_RETRY_WAIT = 3.0
#: The effect of ``_SealedCardGone``.
_CARD_EXPIRED = OperationUpdate(
    OperationOutcome.NOT_SENT, OrderState.FAILED, Reason.CARD_EXPIRED
)


def resume_payment(
    order: PaymentOrder,
    token: str,
    *,
    pares: str = "",
    payment_id: str = "",
    site: str = "",
    actor: Actor = NO_ACTOR,
) -> PaymentOrder:
    """Claims the order, validates (3 steps) and charges once.

    Returns the order unchanged for a wrong token, a ``payment_id`` of another payment,
    a repeated return, or an order that is past this state. A return without ``pares``
    means that the issuer did not authenticate the shopper.
    """
    known = hmac.compare_digest(sealed_cards.hash_token(token), order.token_hash)
    if not known or order.state != OrderState.AWAITING_3DS or order.is_claimed:
        return order
    ours = order.gateway_operation_id.encode()
    if payment_id and not hmac.compare_digest(payment_id.encode(), ours):
        log.warning(
            "return with the paymentId of another payment for order %s", order.order_id
        )
        return order
    deadline = Deadline(conf.current().total_timeout)
    terminal = conf.current().terminal(order.terminal)
    client = conf.client(terminal, site)
    purchase = create.build_purchase(order, order.cardholder_name)
    shared = (order, client, deadline, actor, purchase)
    if pares and not _may_still_be_charged(order, deadline, site):
        return order
    try:
        if not pares:
            _fail_unauthenticated(order, client, deadline)
        elif order.flow == Flow.THREE_STEPS:
            validation = _Validation(*shared, token, pares)
            operations.run(validation)
            if order.state == OrderState.VALIDATED:
                operations.run(_ChargeAfterValidation(*shared, validation))
        else:
            operations.run(_ChargeWithPares(*shared, token, pares))
    except OrderBusy:
        return order
    except GatewayError as error:
        terminal_outages.log_failure(order, error, client, deadline)
    if order.state == OrderState.PAYING:
        query.inquire_while_waiting(order, client, deadline)
    return order


def _may_still_be_charged(order: PaymentOrder, deadline: Deadline, site: str) -> bool:
    """Whether no other attempt of the purchase was paid on the hosted page meanwhile,
    or may be confirmed there. Otherwise the card is shredded, and nothing is charged.
    """
    try:
        siblings.require_none_paid(order, deadline, site=site)
        return order.state == OrderState.AWAITING_3DS
    except OrderNotPayable as error:
        paid = error.order
        attempts.supersede(order, lambda: paid)
    except GatewayUnavailable:
        unfinished.fail(order, Reason.NOT_SENT)
    order.refresh_from_db()
    return False


def _fail_unauthenticated(
    order: PaymentOrder, client: Client, deadline: Deadline
) -> None:
    """No PaRes: not authenticated, unless an inquiry shows a charge."""
    inquiry = query.inquire_and_apply(order, client, deadline)
    if inquiry.reading is not None and not order.is_claimed:
        unfinished.fail_unauthenticated(order, inquiry.reading)


@dataclass(repr=False, eq=False)
class _ReturnCall(GatewayCall[Answer]):
    """The first request after the return. Its claim takes the sealed card."""

    source = OrderState.AWAITING_3DS
    purchase: Purchase
    token: str
    pares: str
    sealed: sealed_cards.CardCiphertext | None = None

    def on_claim(self) -> None:
        # a cache does not restore what a transaction popped that a deadlock rolled back
        self.sealed = sealed_cards.pop(self.order) or self.sealed

    def unseal_card(self) -> Card:
        """Decrypts the card. Raises ``_SealedCardGone`` when it is gone."""
        card = None
        if self.sealed is not None:
            card = sealed_cards.unseal(self.order, self.sealed, self.token)
            self.sealed = None
        if card is None:
            raise _SealedCardGone("the sealed card is gone")
        return card


class _Validation(_ReturnCall[ValidationResult]):
    """3 steps: validates the issuer's result. It moves no money."""

    kind = OperationKind.VALIDATION
    card: Card

    def claim(self) -> Claim:
        return Claim(conditions={"claimed_at": None}, changes=claim_columns())

    def send(self, operation: Operation) -> ValidationResult:
        """Repeats once if the response was lost."""
        self.card = self.unseal_card()
        args = (self.purchase, self.order.gateway_operation_id, self.pares)
        failure = None
        try:
            answer = self.client.validate(*args, self.context(operation))
        except (NotSent, UnknownOutcome, Rejected) as error:
            failure = error
        if failure is None and answer.operation.result != result_codes.PENDING:
            return answer
        if failure is not None and not self._may_repeat(failure):
            raise failure
        if not operations.claim_resend(operation):
            raise failure or NotSent("settled by another process")
        return self.client.validate(*args, self.context(operation))

    def _may_repeat(self, failure: GatewayError) -> bool:
        if self.deadline.is_late:
            return False
        if isinstance(failure, Rejected):
            wait = failure.retry_after or 1.0
            if failure.status != 429 or wait > _LONGEST_RETRY_WAIT:
                return False
            time.sleep(wait)
        return failure.cause != "SSLCertVerificationError"

    def on_answer(self, answer: ValidationResult) -> OperationUpdate:
        strict = conf.current().require_liability_shift
        return outcomes.of_validation(answer, require_liability_shift=strict)

    def on_error(self, error: BaseException) -> OperationUpdate:
        if isinstance(error, _SealedCardGone):
            return _CARD_EXPIRED
        return outcomes.of_uncharged_error(error, Reason.VALIDATION_UNKNOWN)


class _Payment(Charge):
    """The charge after 3-D Secure."""

    kind = OperationKind.PAYMENT
    purchase: Purchase

    @abstractmethod
    def card_and_authentication(self) -> tuple[Card, Authentication]: ...

    def send(self, operation: Operation) -> OperationResult:
        if self.deadline.is_late:
            raise NotSent("too little time left")
        card, authentication = self.card_and_authentication()
        return self.client.pay(
            self.order.flow,
            self.purchase,
            card,
            self.order.gateway_operation_id,
            authentication,
            self.capture_type,
            self.context(operation),
        )


class _ChargeWithPares(_ReturnCall[OperationResult], _Payment):
    """2 steps: the charge carries the issuer's result."""

    def claim(self) -> Claim:
        return replace(super().claim(), conditions={"claimed_at": None})

    def card_and_authentication(self) -> tuple[Card, Authentication]:
        return self.unseal_card(), Authentication(pares=self.pares)

    def on_error(self, error: BaseException) -> OperationUpdate:
        if isinstance(error, _SealedCardGone):
            return replace(_CARD_EXPIRED, order={"charging_since": None})
        return super().on_error(error)


@dataclass(repr=False, eq=False)
class _ChargeAfterValidation(_Payment):
    """3 steps: the charge carries the cryptogram of the validation."""

    source = OrderState.VALIDATED
    purchase: Purchase
    validation: _Validation

    def claim(self) -> Claim:
        return replace(super().claim(), changes={"charging_since": timezone.now()})

    def card_and_authentication(self) -> tuple[Card, Authentication]:
        answer = self.validation.answer
        return self.validation.card, Authentication(
            value=answer.value, eci=answer.eci, xid=answer.xid
        )


class _SealedCardGone(NotSent):
    """The sealed card was purged, or cannot be decrypted: nothing was sent."""
