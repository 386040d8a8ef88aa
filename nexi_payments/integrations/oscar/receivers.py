"""Our orders → oscar's sources, transactions, payment events and status.

The receiver writes the difference between our sums and those of the source, under a
lock on the oscar order. So an event that is delivered twice writes nothing the second
time.
"""

from __future__ import annotations

import logging
from decimal import Decimal
from typing import Any, Final

from django.db import transaction
from oscar.core.loading import get_class, get_model

from nexi_payments import enums, money, signals
from nexi_payments.enums import OrderState
from nexi_payments.integrations.oscar.checkout import order_page_url
from nexi_payments.integrations.oscar.settings import oscar_settings
from nexi_payments.models import Event, PaymentOrder

log = logging.getLogger("nexi_payments.integrations.oscar")

#: In other states, also under review, the outcome is not known yet.
_KNOWN_OUTCOME: Final = enums.SUCCESSFUL | {OrderState.REFUNDED, OrderState.VOIDED}


def connect() -> None:
    for name, signal in signals.SIGNAL_BY_EVENT_KIND.items():
        signal.connect(on_order_event, dispatch_uid=f"nexi_oscar_{name}")


def on_order_event(
    sender: Any, order: PaymentOrder, event: Event, **kwargs: Any
) -> None:
    """The receiver of all outcomes. Ignores payments of other objects."""
    model = get_model("order", "Order")
    bought = order.content_object
    if not isinstance(bought, model):
        return
    with transaction.atomic():
        rows = model._default_manager.select_for_update()
        bought = rows.get(pk=bought.pk)
        payment = PaymentOrder.objects.get(pk=order.pk)  # its state under the lock
        if payment.state in _KNOWN_OUTCOME:
            _write_transactions(bought, payment, _gateway_reference(event, payment))
        if event.from_state != event.to_state:  # not a further capture or refund
            _update_status(bought, payment)


def _gateway_reference(event: Event, payment: PaymentOrder) -> str:
    operation = event.operation
    return (operation and operation.gateway_operation_id) or (
        payment.gateway_operation_id
    )


def _write_transactions(bought: Any, payment: PaymentOrder, reference: str) -> None:
    """Write the differences to the source. Each has a transaction and an event."""
    source, is_new = _get_source(bought, payment)

    def major(minor: int) -> Decimal:
        return money.to_major(minor, payment.currency)

    def columns(status: str) -> dict[str, str]:
        # oscar's dashboard shows the status of a transaction, not its type
        return {"reference": reference, "status": status}

    authorized = 0 if payment.state == OrderState.VOIDED else payment.authorized_amount
    if (amount := major(authorized) - source.amount_allocated) > 0:
        source.allocate(amount, **columns("authorized"))
        _create_payment_event(bought, "Authorised", amount, reference)
    if (amount := major(payment.captured_amount) - source.amount_debited) > 0:
        source.debit(amount, **columns("captured"))
        _create_payment_event(bought, "Settled", amount, reference)
    if (amount := source.amount_debited - major(payment.captured_amount)) > 0:
        # a capture was cancelled on its day: the amount stays allocated
        source.amount_debited -= amount
        source.save()
        _create_transaction(source, "Cancel", amount, **columns("capture cancelled"))
        _create_payment_event(bought, "Capture cancelled", amount, reference)
    if (amount := major(payment.refunded_amount) - source.amount_refunded) > 0:
        source.refund(amount, **columns("refunded"))
        _create_payment_event(bought, "Refunded", amount, reference)
    if payment.state == OrderState.VOIDED and source.amount_allocated:
        amount = source.amount_allocated
        source.amount_allocated = Decimal(0)
        source.save()
        _create_transaction(source, "Void", amount, **columns("released"))
        _create_payment_event(bought, "Released", amount, reference)
    if is_new and payment.is_successful and oscar_settings().confirmation:
        # sent once, because the source is new only once; after the commit, so that a
        # rollback sends nothing
        transaction.on_commit(lambda: _send_confirmation(bought))


def _get_source(bought: Any, payment: PaymentOrder) -> tuple[Any, bool]:
    """The payment source of this attempt, and whether it is new."""
    kind, _is_new = get_model("payment", "SourceType")._default_manager.get_or_create(
        name=oscar_settings().source
    )
    card = f"{payment.card_brand} •••• {payment.card_last4}"
    source: tuple[Any, bool] = bought.sources.get_or_create(
        source_type=kind,
        reference=payment.order_id,
        defaults={
            "currency": payment.currency,
            "label": card if payment.card_last4 else payment.method,
        },
    )
    return source


def _create_transaction(
    source: Any, kind: str, amount: Decimal, **columns: str
) -> None:
    """A transaction of a type for which oscar's source has no method."""
    source.transactions.create(txn_type=kind, amount=amount, **columns)


def _create_payment_event(
    bought: Any, name: str, amount: Decimal, reference: str
) -> None:
    kinds = get_model("order", "PaymentEventType")._default_manager
    kind, _is_new = kinds.get_or_create(name=name)
    bought.payment_events.create(event_type=kind, amount=amount, reference=reference)


def _update_status(bought: Any, payment: PaymentOrder) -> None:
    """Set each status only once: later changes by the shop stay."""
    options = oscar_settings()
    by_state: dict[str, str] = {
        OrderState.PAID: options.paid,
        OrderState.AUTHORIZED: options.paid,
        OrderState.FAILED: options.failed,
        OrderState.REFUNDED: options.refunded,
        OrderState.VOIDED: options.voided,
    }
    status = by_state.get(payment.state, "")
    if payment.state == OrderState.FAILED:
        attempts = PaymentOrder.objects.filter(reference=payment.reference)
        if attempts.exclude(state=OrderState.FAILED).exists():
            return  # another attempt is open or paid
        if payment.is_cancelled:
            status = options.cancelled
    if not status or status == bought.status:
        return
    if bought.status_changes.filter(new_status=status).exists():
        return
    if status in bought.available_statuses():
        bought.set_status(status)
    else:  # logged, not raised: the outbox would deliver the event again and again
        log.error(
            "order %s: transition from %r to %r not allowed",
            bought.number,
            bought.status,
            status,
        )


def _send_confirmation(bought: Any) -> None:
    """Send oscar's e-mail "order placed". A failure is logged, and not retried."""
    try:
        dispatcher = get_class("order.utils", "OrderDispatcher")(logger=log)
        context = {
            "user": bought.user,
            "order": bought,
            "lines": bought.lines.all(),
            "status_path": order_page_url(bought),
        }
        dispatcher.send_order_placed_email_for_user(bought, context)
    except Exception as error:
        log.error(
            "order %s: confirmation not sent: %s", bought.number, type(error).__name__
        )
