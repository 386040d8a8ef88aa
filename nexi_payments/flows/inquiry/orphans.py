"""Writes what Nexi's list shows and our database lacks.

After an older backup was restored, orders are missing (orphans) or as they were then.
An orphan becomes an order under review, for a person to resolve. A charge of a saved
card is recognized by its id. A known order is inquired about.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from django.db import IntegrityError
from django.db.models import Q
from django.utils import timezone

from nexi_payments import conf, money
from nexi_payments.conf import Terminal
from nexi_payments.enums import (
    Channel,
    DiscrepancyKind,
    OperationKind,
    OperationOutcome,
    OrderState,
    Reason,
)
from nexi_payments.exceptions import InvalidAmount
from nexi_payments.flows.inquiry import query
from nexi_payments.flows.inquiry.listing import Difference
from nexi_payments.flows.ledger import discrepancies, transitions
from nexi_payments.flows.ledger.operations import PreconditionFailed
from nexi_payments.flows.orders import attempts, order_ids
from nexi_payments.gateway.client import Client
from nexi_payments.gateway.responses import OrderResult
from nexi_payments.models import Contract, Operation, PaymentOrder, db_transactions
from nexi_payments.pan_scanner import contains_card_number

#: How many attempts of one charge are tried to recognize it.
_MOST_ATTEMPTS: Final = 20
_KIND_BY_CHANNEL: Final = {
    Channel.MOTO: OperationKind.MOTO,
    Channel.MIT: OperationKind.MIT,
}
#: Nothing was sent, says our database.
_UNSENT: Final = (OrderState.INIT, OrderState.FAILED)


def catch_up(terminal: Terminal, difference: Difference) -> PaymentOrder | None:
    """Writes one difference, and makes the order due for a status inquiry.

    Returns the order; ``None`` if there is nothing to inquire about. Idempotent, and
    any number of processes may do the same.
    """
    order = difference.order
    if order is None:
        order = _adopt(terminal, difference.listed)
    elif order.state in _UNSENT and not order.operations.exists():
        claim_as_sent(order, difference.listed)
    if order is not None:
        rows = PaymentOrder.objects.filter(pk=order.pk)
        rows.update(next_poll_at=timezone.now())
        order.refresh_from_db()
        if order.state == OrderState.INIT:  # no poll would inquire about it
            query.inquire_and_apply(order, client_of(order, terminal))
    return order


def client_of(order: PaymentOrder, terminal: Terminal) -> Client:
    """The client of the order's terminal; that of ``terminal``, which lists the order,
    if it is no longer in the settings.
    """
    return conf.client(conf.current().terminals.get(order.terminal, terminal))


def claim_as_sent(order: PaymentOrder, found: OrderResult) -> bool:
    """Writes a charge that Nexi knows and we do not, as one that was sent and whose
    process died: the next inquiry tells its outcome.

    For an order of which nothing was sent, says our database: it comes from a backup
    that is older than the charge. False when the order has changed, or when something
    was sent about it.
    """
    try:
        _write_sent_charge(order, _time_of_charge(found))
    except (PreconditionFailed, IntegrityError):
        order.refresh_from_db()
        return False
    return True


@db_transactions.retried()
def _write_sent_charge(order: PaymentOrder, sent_at: datetime) -> None:
    # an operation that is written after this check changes the version
    if order.state not in _UNSENT or order.operations.exists():
        raise PreconditionFailed
    kind = _KIND_BY_CHANNEL.get(Channel(order.channel), OperationKind.PAYMENT)
    operation = _charge_in_doubt(order, kind, sent_at)
    operation.save(force_insert=True)
    times: dict[str, Any] = {"claimed_at": sent_at, "charging_since": sent_at}
    times["next_poll_at"] = now = timezone.now()
    unchanged = {"version": order.version}
    if order.state == OrderState.INIT:
        claimed = transitions.transition(
            order,
            OrderState.PAYING,
            sources=(OrderState.INIT,),
            conditions=unchanged,
            operation=operation,
            reason=Reason.RESTORED,
            **times,
        )
    else:  # failed, and late money: the inquiry decides
        times |= {"version": order.version + 1, "unsettled_since": now}
        rows = PaymentOrder.objects.filter(pk=order.pk, state=order.state, **unchanged)
        claimed = bool(rows.update(**times))
    if not claimed:
        raise PreconditionFailed


def _time_of_charge(found: OrderResult) -> datetime:
    """Nexi's time, or now. It counts only for what was due by then, and for how long
    the order is watched.
    """
    now = timezone.now()
    times = [one.time for one in found.operations if one.time is not None]
    return min([*times, found.last_time or now, now])


def _charge_in_doubt(order: PaymentOrder, kind: str, sent_at: datetime) -> Operation:
    return Operation(
        order=order,
        kind=kind,
        outcome=OperationOutcome.IN_DOUBT,
        unsettled_order_id=order.pk,
        amount=order.amount,
        correlation_id="",
        created_at=sent_at,
        sent_at=sent_at,
    )


# -- orders that we do not have --------------------------------------------------------


def _adopt(terminal: Terminal, listed: OrderResult) -> PaymentOrder | None:
    order = _build(terminal, listed)
    if order is None:
        theirs = f"{listed.order_id} {listed.amount} {listed.currency}"
        kind = DiscrepancyKind.UNKNOWN_CHARGE
        discrepancies.record(None, kind, "no such order", theirs)
        return None
    try:
        _insert(order)
    except IntegrityError:
        return None  # another process was faster
    return order


def _build(terminal: Terminal, listed: OrderResult) -> PaymentOrder | None:
    """The unsaved order; ``None`` if it cannot be stored."""
    try:
        money.exponent(listed.currency)
    except InvalidAmount:
        return None
    if not listed.amount or len(listed.order_id) > 18:
        return None
    now = timezone.now()
    sent_at = _time_of_charge(listed)
    order = PaymentOrder(
        order_id=listed.order_id,
        public_id=attempts.new_public_id(),
        terminal=terminal.name,
        flow=terminal.flow,
        capture=terminal.capture,
        amount=listed.amount,
        currency=listed.currency,
        state=OrderState.REVIEW,
        reason=Reason.RESTORED,
        reference=_reference(listed),
        description=listed.description,
        customer_name=listed.customer_name,
        customer_email=listed.customer_email,
        unsettled_since=now,
        created_at=sent_at,
        expires_at=now,
        charging_since=sent_at,
        next_poll_at=now,  # the list has no operations: inquire for them
    )
    contract = _contract_of(listed)
    if contract is not None:
        order.channel = Channel.MIT
        order.contract = contract
        order.user = contract.user
        order.state = OrderState.PAYING
        for name in ("card_brand", "card_last4", "card_expiry"):
            setattr(order, name, getattr(contract, name))
    return order


def _reference(listed: OrderResult) -> str | None:
    text = listed.reference
    return text if 0 < len(text) <= 100 and not contains_card_number(text) else None


def _contract_of(listed: OrderResult) -> Contract | None:
    """The contract that the order charged. Its id proves that: nobody else can derive
    it. Charges are named after the plan, or after the contract.
    """
    plan = listed.reference.rpartition("/")[0]
    named = Contract.objects.filter(Q(contract_id=plan) | Q(reference=plan))
    of_customer = Contract.objects.none()
    if listed.customer_id:
        of_customer = Contract.objects.filter(customer_id=listed.customer_id)
    for contract in (*named, *of_customer):
        for number in range(_MOST_ATTEMPTS):
            if listed.order_id == order_ids.of_contract_charge(
                contract.contract_id, listed.reference, number
            ):
                return contract
    return None


@db_transactions.retried()
def _insert(order: PaymentOrder) -> None:
    taken_by = _insert_live(order)
    if taken_by is not None:
        if order.state == OrderState.PAYING:
            order.state, order.reason = OrderState.REVIEW, Reason.REFERENCE_TAKEN
        order.save(force_insert=True)
    kind = _KIND_BY_CHANNEL.get(Channel(order.channel), OperationKind.PAYMENT)
    _charge_in_doubt(order, kind, order.created_at).save(force_insert=True)
    transitions.write_event(
        order, order.state, source=order.state, reason=Reason.RESTORED
    )
    theirs = f"{order.order_id} {order.amount} {order.currency}"
    if order.state == OrderState.REVIEW:
        kind_ = DiscrepancyKind.UNKNOWN_CHARGE
        discrepancies.record(order, kind_, "no such order", theirs)
    if taken_by is not None:
        kind_ = DiscrepancyKind.REFERENCE_TAKEN
        discrepancies.record(order, kind_, "charged late", taken_by.order_id)


def _insert_live(order: PaymentOrder) -> PaymentOrder | None:
    """Inserts the order with its reference, in place of an unpaid attempt if there is
    one. Returns the attempt that cannot be superseded: nothing was inserted then.
    """

    def insert() -> PaymentOrder:
        order.live_reference = order.live_key
        order.save(force_insert=True)
        return order

    holder = PaymentOrder.objects.filter(live_reference=order.live_key).first()
    if holder is None:
        insert()
    elif not attempts.supersede(holder, insert):
        return holder
    return None
