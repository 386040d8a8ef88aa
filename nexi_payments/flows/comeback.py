"""The browser is back from the issuer: the one moment in which a card is charged."""

from __future__ import annotations

import hmac
import logging
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.utils import timezone

from nexi_payments import conf, hold, states
from nexi_payments.card import Card
from nexi_payments.exceptions import (
    GatewayError,
    OrderBusy,
    Refused,
    UnknownOutcome,
    Unsent,
)
from nexi_payments.flows import (
    alarms,
    consequences,
    inquiry,
    ledger,
    orders,
    verdicts,
)
from nexi_payments.flows.ledger import Claim, Settlement
from nexi_payments.flows.moves import NOBODY, Actor
from nexi_payments.gateway import codes
from nexi_payments.gateway.client import Client
from nexi_payments.gateway.deadline import Deadline
from nexi_payments.gateway.payloads import EXPLICIT, IMPLICIT, Authentication
from nexi_payments.gateway.results import OperationResult, ValidationResult
from nexi_payments.models import Operation, PaymentOrder
from nexi_payments.states import Reason

log = logging.getLogger("nexi_payments.comeback")

#: The charge leaves only while this part of the time is left for its answer.
_NEEDED = 2 / 5
#: How long a "busy, come back in" of the gateway is waited out inside a request.
_PATIENCE = 3.0


def resume_payment(
    order: PaymentOrder,
    token: str,
    *,
    pares: str = "",
    payment_id: str = "",
    site: str = "",
    actor: Actor = NOBODY,
) -> PaymentOrder:
    """The browser is back from the issuer: claim, validate (3 steps), charge once.

    Harmless for a wrong token, a foreign ``payment_id``, a repetition or an order that
    is past this point: the order comes back as it is. A return without ``pares`` means
    that the issuer did not confirm.
    """
    known = hmac.compare_digest(hold.fingerprint(token), order.token_hash)
    if not known or order.state != states.AWAITING_3DS or order.is_claimed:
        return order
    ours = order.gateway_operation_id.encode()
    if payment_id and not hmac.compare_digest(payment_id.encode(), ours):
        log.warning("return with a foreign paymentId for order %s", order.order_id)
        return order
    deadline = Deadline(conf.current().total_timeout)
    terminal = conf.current().terminal(order.terminal)
    client = conf.client(terminal, site)
    attempt = _Return(order, token, pares, client, deadline, actor)
    try:
        if not pares:
            attempt.give_up()
        elif order.flow == states.FLOW_3STEPS:
            attempt.validate_and_charge()
        else:
            attempt.charge_at_once()
    except OrderBusy:
        return order
    except GatewayError as error:
        alarms.note(order, error)
    if order.state == states.PAYING:
        inquiry.look_while_waiting(order, client, deadline)
    return order


class _Return:
    """One return from the issuer, with what its steps share."""

    def __init__(
        self,
        order: PaymentOrder,
        token: str,
        pares: str,
        client: Client,
        deadline: Deadline,
        actor: Actor,
    ) -> None:
        self.order = order
        self.token = token
        self.pares = pares
        self.client = client
        self.deadline = deadline
        self.actor = actor
        self.sealed: hold.Sealed | None = None
        self.purchase = orders.purchase(order, order.cardholder_name)

    def take(self) -> None:
        # a cache does not give back what a commit took that was ended by a deadlock
        self.sealed = hold.take(self.order) or self.sealed

    def claimed(self, **more: Any) -> dict[str, Any]:
        now = timezone.now()
        late = now + timedelta(seconds=conf.current().claim_deadline)
        return {"claimed_at": now, "due_at": late, **more}

    def open(self) -> Card:
        """The card; raises ``Unsent`` with ``card_expired`` when there is none."""
        card = None
        if self.sealed is not None:
            card = hold.unseal(self.order, self.sealed, self.token)
            self.sealed = None
        if card is None:
            raise _CardGone("the held card is gone")
        return card

    def give_up(self) -> None:
        """No PaRes: not authenticated, unless the order was charged in another way."""
        seen = inquiry.look(self.order, self.client, self.deadline)
        if seen.good and not self.order.is_claimed:
            consequences.end_unauthenticated(self.order, seen.evidence)

    def validate_and_charge(self) -> None:
        card: list[Card] = []

        def send(operation: Operation) -> ValidationResult:
            card.append(self.open())
            return self._validated(operation)

        def conclude(answer: ValidationResult) -> Settlement:
            strict = conf.current().require_liability_shift
            return verdicts.of_validation(answer, require_shift=strict)

        answer = ledger.perform(
            self.order,
            states.VALIDATION,
            Claim(
                states.AWAITING_3DS,
                guard={"claimed_at": None},
                changes=self.claimed(),
                also=self.take,
            ),
            send,
            conclude,
            _after_validation,
            actor=self.actor,
        )
        if self.order.state == states.VALIDATED:
            proof = Authentication(value=answer.value, eci=answer.eci, xid=answer.xid)
            claim = Claim(
                states.VALIDATED,
                states.PAYING,
                changes={"charging_since": timezone.now()},
            )
            self._charge(claim, lambda: card[0], proof)

    def _validated(self, operation: Operation) -> ValidationResult:
        """Validation, and once more when its answer was lost: it moves no money."""
        trace = conf.trace(self.deadline, operation.correlation_id)
        args = (self.purchase, self.order.gateway_operation_id, self.pares)
        failure = None
        try:
            answer = self.client.validate(*args, trace)
        except (Unsent, UnknownOutcome, Refused) as error:
            failure = error
        if failure is None and answer.operation.result != codes.PENDING:
            return answer
        if failure is not None and not self._worth_repeating(failure):
            raise failure
        trace = conf.trace(self.deadline, ledger.resend(operation))
        return self.client.validate(*args, trace)

    def _worth_repeating(self, failure: GatewayError) -> bool:
        if self.deadline.remaining < self.deadline.total * _NEEDED:
            return False
        if isinstance(failure, Refused):
            wait = failure.retry_after or 1.0
            if failure.status != 429 or wait > _PATIENCE:
                return False
            time.sleep(wait)
        return failure.cause != "SSLCertVerificationError"

    def charge_at_once(self) -> None:
        """2 steps: the issuer's word goes along with the charge."""
        claim = Claim(
            states.AWAITING_3DS,
            states.PAYING,
            guard={"claimed_at": None},
            changes=self.claimed(charging_since=timezone.now()),
            also=self.take,
        )
        self._charge(claim, self.open, Authentication(pares=self.pares))

    def _charge(
        self, claim: Claim, card: Callable[[], Card], proof: Authentication
    ) -> None:
        """The one payment call of this order. Sent only with time for its answer."""
        order = self.order

        def send(operation: Operation) -> OperationResult:
            if self.deadline.remaining < self.deadline.total * _NEEDED:
                raise Unsent("too little time left")
            return self.client.pay(
                order.flow,
                self.purchase,
                card(),
                order.gateway_operation_id,
                proof,
                EXPLICIT if order.capture == states.CAPTURE_MANUAL else IMPLICIT,
                conf.trace(self.deadline, operation.correlation_id),
            )

        ledger.perform(
            order,
            states.PAYMENT,
            claim,
            send,
            lambda answer: verdicts.of_charge(order, answer),
            _after_charge,
            amount=order.amount,
            actor=self.actor,
        )


class _CardGone(Unsent):
    """The hold was purged, or does not open: nothing was sent."""


def _after_validation(error: BaseException) -> Settlement:
    if isinstance(error, _CardGone):
        return Settlement(states.NOT_SENT, states.FAILED, Reason.CARD_EXPIRED)
    return verdicts.after_harmless(error, Reason.VALIDATION_UNKNOWN)


def _after_charge(error: BaseException) -> Settlement:
    if isinstance(error, _CardGone):
        return Settlement(
            states.NOT_SENT,
            states.FAILED,
            Reason.CARD_EXPIRED,
            order={"charging_since": None},
        )
    return verdicts.after_charge(error)
