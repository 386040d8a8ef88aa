"""Charges a saved card: ``charge_contract``.

A charge is an operation of the ledger. Nexi takes an idempotency key for it, which is
stored. The charge is sent once all the same; a status inquiry shows its result
(decision 27). Its order id is derived, and asked for before it is sent: a charge that
was made before an older backup was restored is found (decision 40).
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from typing import Final

from django.utils import timezone

from nexi_payments import conf, money
from nexi_payments.enums import (
    Channel,
    ContractState,
    OperationKind,
    OrderState,
)
from nexi_payments.exceptions import (
    ContractNotUsable,
    GatewayError,
    GatewayUnavailable,
    InvalidReference,
    OrderBusy,
    ReferenceInUse,
)
from nexi_payments.flows import retry_policy
from nexi_payments.flows.inquiry import orphans, query
from nexi_payments.flows.ledger import operations, terminal_outages
from nexi_payments.flows.ledger.charge import Charge
from nexi_payments.flows.ledger.guards import Claim
from nexi_payments.flows.ledger.transitions import NO_ACTOR, Actor
from nexi_payments.flows.orders import attempts, create, order_ids
from nexi_payments.gateway.client import Client
from nexi_payments.gateway.deadline import Deadline
from nexi_payments.gateway.payloads import Purchase
from nexi_payments.gateway.responses import OperationResult
from nexi_payments.models import Contract, Operation, PaymentOrder, db_transactions

log = logging.getLogger("nexi_payments.contracts")


def charge_contract(
    contract: Contract,
    amount: Decimal | money.Money,
    currency: str | None = None,
    *,
    reference: object,
    description: str = "",
    actor: Actor = NO_ACTOR,
    wait: bool = True,
    fence: Callable[[], bool] | None = None,
    nonce: str | None = None,
) -> PaymentOrder:
    """Charges ``amount`` (major units) to a saved card, once per ``reference``.

    The same reference returns the payment that is live for it; after a failed one it
    makes a new attempt. The result is ``order.state``: ``paid``, ``authorized`` (manual
    capture), ``failed``, or ``paying`` while the outcome is unknown. ``wait`` inquires
    up to twice before returning ``paying``. Customer and ``content_object`` are those
    of the first payment, and the description is by default that of the contract.

    Raises ``ContractNotUsable``, ``ReferenceInUse``, ``OrderBusy``,
    ``TerminalUnavailable``, ``GatewayUnavailable`` (Nexi does not answer the inquiry
    before the charge), ``InvalidAmount``, ``InvalidReference`` (also for one of the
    contract's own recurring charges) and ``CardDataNotAllowed``; nothing was sent then.
    Raises ``RuntimeError`` inside a transaction. ``fence`` is called in the commit that
    inserts the order; False raises ``OrderBusy``. Idempotent by ``nonce`` (at most 32
    characters): the same one returns the same payment, also a failed one.
    """
    # reload, but keep the caller's instance: its lease is compared with the row
    contract = Contract.objects.get(pk=contract.pk)
    if not contract.is_usable:
        raise ContractNotUsable(contract)
    text = create.reference_text(reference)
    if not text:
        raise InvalidReference(
            "a charge of a contract needs a reference, which makes it unique"
        )
    if fence is None and retry_policy.is_period_reference(contract, text):
        raise InvalidReference(
            "this is a reference of the contract's recurring charges: take another"
        )
    terminal_outages.require_available(contract.terminal)
    order = create.build(
        amount=amount,
        currency=currency,
        reference=reference,
        description=description or contract.description,
        customer=None,
        terminal=contract.terminal,
    )
    order.channel = Channel.MIT
    order.contract = contract
    order.request_nonce = nonce or None
    order.user = contract.user
    first_payment = contract.first_payment
    if first_payment is not None:
        for name in _INHERITED_FIELDS:
            setattr(order, name, getattr(first_payment, name))
    for name in ("card_brand", "card_last4", "card_expiry"):
        setattr(order, name, getattr(contract, name))
    order = attempts.find_by_nonce(order) or _insert(order, fence)
    if order.channel != Channel.MIT or order.contract_id != contract.pk:
        raise ReferenceInUse(order)
    if order.state == OrderState.INIT:
        _charge(order, contract, actor, wait=wait)
    return order


#: What a charge takes from the first payment of its contract.
_INHERITED_FIELDS: Final = (
    *("customer_name", "customer_email", "cardholder_name"),
    *("content_type_id", "object_id"),
)


@db_transactions.retried()
def _insert(order: PaymentOrder, fence: Callable[[], bool] | None) -> PaymentOrder:
    if fence is not None and not fence():
        raise OrderBusy(order)
    lifetime = timedelta(seconds=conf.current().expire_after)
    return attempts.insert_or_join(order, timezone.now() + lifetime)[0]


def _charge(
    order: PaymentOrder, contract: Contract, actor: Actor, *, wait: bool
) -> None:
    client = conf.client(conf.current().terminal(order.terminal))
    deadline = Deadline(conf.current().total_timeout)
    if not _was_made_before(order, client, deadline):
        _send(order, contract, actor, client, deadline)
    if order.state == OrderState.PAYING and wait:
        query.inquire_while_waiting(order, client, deadline)


def _send(
    order: PaymentOrder,
    contract: Contract,
    actor: Actor,
    client: Client,
    deadline: Deadline,
) -> None:
    purchase = create.build_purchase(order, order.cardholder_name)
    call = _ContractCharge(order, client, deadline, actor, purchase, contract)
    try:
        operations.run(call)
    except GatewayError as error:
        terminal_outages.log_failure(order, error, client, deadline)


def _was_made_before(order: PaymentOrder, client: Client, deadline: Deadline) -> bool:
    """Whether this charge needs not be sent: another process did it while we asked, or
    Nexi knows it already, because our database was restored from a backup.

    A charge that Nexi knows is adopted, whatever became of it, and not sent again.
    Raises ``GatewayUnavailable`` when Nexi does not answer.
    """
    error: GatewayError | None = None
    try:
        found = query.find_at_nexi(order, client, deadline)
    except GatewayError as failure:
        error = failure
    if error is not None:
        terminal_outages.log_failure(order, error, client, deadline)
        raise GatewayUnavailable(order.terminal)
    if order.state != OrderState.INIT:
        return True
    if found is None:
        return False
    log.warning("order %s is known to Nexi, and was not sent again", order.order_id)
    if not orphans.claim_as_sent(order, found):
        raise OrderBusy(order)
    query.inquire_and_apply(order, client, deadline)
    return True


@dataclass(repr=False, eq=False)
class _ContractCharge(Charge):
    kind = OperationKind.MIT
    source = OrderState.INIT
    purchase: Purchase
    contract: Contract

    def claim(self) -> Claim:
        claim = super().claim()
        key = order_ids.idempotency_key(self.order.order_id)
        details = claim.details | {"idempotency_key": key}
        return replace(claim, conditions={"channel": Channel.MIT}, details=details)

    def on_claim(self) -> None:
        """Locks the contract: an end before this prevents the charge, a concurrent end
        waits for the claim.
        """
        usable = (ContractState.ACTIVE, ContractState.SUSPENDED)
        rows = Contract.objects.filter(pk=self.contract.pk, state__in=usable)
        if not rows.update(customer_id=self.contract.customer_id):
            raise operations.PreconditionFailed

    def send(self, operation: Operation) -> OperationResult:
        return self.client.charge_contract(
            self.purchase,
            self.contract.contract_id,
            self.capture_type,
            operation.idempotency_key,
            self.context(operation),
        )
