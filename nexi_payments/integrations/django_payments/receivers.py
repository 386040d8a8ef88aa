"""Our orders → the status of a ``Payment``. Requests of browsers change nothing.

The status is computed from all our orders of the payment. So an event that is delivered
twice, or out of order, changes nothing.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

from django.db import router, transaction
from payments import PaymentStatus, get_payment_model

from nexi_payments import money, signals
from nexi_payments.enums import OrderState
from nexi_payments.models import PaymentOrder

#: The first state here that one of our orders has decides.
_STATUS_BY_STATE: Final = (
    (OrderState.PAID, PaymentStatus.CONFIRMED),
    (OrderState.AUTHORIZED, PaymentStatus.PREAUTH),
    (OrderState.REFUNDED, PaymentStatus.REFUNDED),
    (OrderState.VOIDED, PaymentStatus.REFUNDED),  # django-payments: released
)


def connect() -> None:
    for name, signal in signals.SIGNAL_BY_EVENT_KIND.items():
        signal.connect(on_order_event, dispatch_uid=f"nexi_django_payments_{name}")


def on_order_event(sender: Any, order: PaymentOrder, **kwargs: Any) -> None:
    """The receiver of all outcomes. Ignores orders of other objects."""
    model = get_payment_model()
    payment = order.content_object
    if isinstance(payment, model):
        sync_payment(payment)


def payment_attempts(payment: Any) -> list[PaymentOrder]:
    """All attempts at one payment, oldest first."""
    attempts = PaymentOrder.objects.filter(
        content_type__app_label=payment._meta.app_label,
        content_type__model=payment._meta.model_name,
        object_id=str(payment.pk),
    )
    return list(attempts.order_by("pk"))


def sync_payment(payment: Any) -> None:
    """Set status, captured amount and our id on the payment from our orders.
    Idempotent.

    Runs under a lock on its row and sends ``status_changed`` in the same transaction.
    If a receiver of it raises, the change is rolled back, and the outbox delivers the
    event again.
    """
    model = type(payment)
    using = router.db_for_write(model, instance=payment)
    with transaction.atomic(using=using):
        rows = model._default_manager.using(using).select_for_update()
        payment = rows.get(pk=payment.pk)
        orders = payment_attempts(payment)
        status, order = _status(orders)
        if order is None:
            return
        payment.captured_amount = _net_captured(order)
        payment.transaction_id = order.order_id
        payment.save(update_fields=["captured_amount", "transaction_id"])
        if status and status != payment.status:
            payment.change_status(status)


def _status(orders: list[PaymentOrder]) -> tuple[str, PaymentOrder | None]:
    for state, status in _STATUS_BY_STATE:
        for order in reversed(orders):
            if order.state == state:
                return status, order
    if not orders:
        return "", None
    last = orders[-1]
    if any(order.state != OrderState.FAILED for order in orders):
        return "", last  # open
    if last.is_cancelled:
        return PaymentStatus.CANCELLED, last
    return PaymentStatus.REJECTED, last


def _net_captured(order: PaymentOrder) -> Decimal:
    """Captured minus refunded, in major units, as django-payments defines it."""
    return money.to_major(order.captured_amount - order.refunded_amount, order.currency)
