"""Our orders → oscar's sources, transactions, payment events and status.

What is written is the difference between our sums and the source's, under a lock on the
oscar order: an event delivered twice writes nothing the second time.
"""

from __future__ import annotations

import logging
from decimal import Decimal
from typing import Any, Final

from django.db import transaction
from oscar.core.loading import get_class, get_model

from nexi_payments import money, signals, states
from nexi_payments.bridges.oscar.checkout import page_of
from nexi_payments.bridges.oscar.wishes import wishes
from nexi_payments.models import Event, PaymentOrder

log = logging.getLogger("nexi_payments.bridges.oscar")

#: In any other nobody knows yet what the money did; a review is one of those.
_CERTAIN: Final = states.SUCCESSFUL | {states.REFUNDED, states.VOIDED}


def connect() -> None:
    for name, signal in signals.BY_KIND.items():
        signal.connect(follow, dispatch_uid=f"nexi_oscar_{name}")


def follow(sender: Any, order: PaymentOrder, event: Event, **kwargs: Any) -> None:
    """Receiver of every outcome. Payments of other things than oscar orders pass by."""
    model = get_model("order", "Order")
    bought = order.content_object
    if not isinstance(bought, model):
        return
    with transaction.atomic():
        rows = model._default_manager.select_for_update()
        bought = rows.get(pk=bought.pk)
        payment = PaymentOrder.objects.get(pk=order.pk)  # as it is under the lock
        if payment.state in _CERTAIN:
            _book(bought, payment, _operation_of(event, payment))
        if event.from_state != event.to_state:  # not a further capture or refund
            _follow_status(bought, payment)


def _operation_of(event: Event, payment: PaymentOrder) -> str:
    operation = event.operation
    return (operation and operation.gateway_operation_id) or (
        payment.gateway_operation_id
    )


def _book(bought: Any, payment: PaymentOrder, reference: str) -> None:
    source, new = _source(bought, payment)

    def major(minor: int) -> Decimal:
        return money.to_major(minor, payment.currency)

    def facts(deed: str) -> dict[str, str]:
        # oscar's dashboard shows the status of a transaction, and not its type
        return {"reference": reference, "status": deed}

    held = 0 if payment.state == states.VOIDED else payment.authorized_amount
    if (more := major(held) - source.amount_allocated) > 0:
        source.allocate(more, **facts("authorized"))
        _event(bought, "Authorised", more, reference)
    if (more := major(payment.captured_amount) - source.amount_debited) > 0:
        source.debit(more, **facts("captured"))
        _event(bought, "Settled", more, reference)
    if (less := source.amount_debited - major(payment.captured_amount)) > 0:
        # a capture was rolled back on its day: allocated it stays
        source.amount_debited -= less
        source.save()
        _transaction(source, "Cancel", less, **facts("capture cancelled"))
        _event(bought, "Capture cancelled", less, reference)
    if (more := major(payment.refunded_amount) - source.amount_refunded) > 0:
        source.refund(more, **facts("refunded"))
        _event(bought, "Refunded", more, reference)
    if payment.state == states.VOIDED and source.amount_allocated:
        released = source.amount_allocated
        source.amount_allocated = Decimal(0)
        source.save()
        _transaction(source, "Void", released, **facts("released"))
        _event(bought, "Released", released, reference)
    if new and payment.is_successful and wishes().confirmation:
        # once: the source is new once; after the commit: no mail for a rollback
        transaction.on_commit(lambda: _confirm(bought))


def _source(bought: Any, payment: PaymentOrder) -> tuple[Any, bool]:
    kind, _new = get_model("payment", "SourceType")._default_manager.get_or_create(
        name=wishes().source
    )
    card = f"{payment.card_brand} •••• {payment.card_last4}"
    made: tuple[Any, bool] = bought.sources.get_or_create(
        source_type=kind,
        reference=payment.public_id,
        defaults={
            "currency": payment.currency,
            "label": card if payment.card_last4 else "",
        },
    )
    return made


def _transaction(source: Any, kind: str, amount: Decimal, **facts: str) -> None:
    """One that oscar has no method for."""
    source.transactions.create(txn_type=kind, amount=amount, **facts)


def _event(bought: Any, name: str, amount: Decimal, reference: str) -> None:
    kinds = get_model("order", "PaymentEventType")._default_manager
    kind, _new = kinds.get_or_create(name=name)
    bought.payment_events.create(event_type=kind, amount=amount, reference=reference)


def _follow_status(bought: Any, payment: PaymentOrder) -> None:
    """Once for each status: what the shop made of the order since then stands."""
    wish = wishes()
    status = {
        states.PAID: wish.paid,
        states.AUTHORIZED: wish.paid,
        states.FAILED: wish.failed,
        states.REFUNDED: wish.refunded,
        states.VOIDED: wish.voided,
    }.get(payment.state, "")
    if payment.state == states.FAILED:
        others = PaymentOrder.objects.filter(reference=payment.reference)
        if others.exclude(state=states.FAILED).exists():
            return  # another attempt is open, or was paid
    if not status or status == bought.status:
        return
    if bought.status_changes.filter(new_status=status).exists():
        return
    if status in bought.available_statuses():
        bought.set_status(status)
    else:  # not worth an endless repetition: the money is booked
        log.error(
            "order %s: no way from %r to %r", bought.number, bought.status, status
        )


def _confirm(bought: Any) -> None:
    """Oscar's mail "order placed". One that fails harms nothing and is not repeated."""
    try:
        dispatcher = get_class("order.utils", "OrderDispatcher")(logger=log)
        context = {
            "user": bought.user,
            "order": bought,
            "lines": bought.lines.all(),
            "status_path": page_of(bought),
        }
        dispatcher.send_order_placed_email_for_user(bought, context)
    except Exception as error:
        log.error("order %s: no confirmation: %s", bought.number, type(error).__name__)
