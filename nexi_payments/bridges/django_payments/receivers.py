"""Our orders → the status of a ``Payment``. Never from what a browser says.

The status is worked out anew from all our orders of one payment: an event delivered
twice, or two in the wrong order, change nothing.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

from django.db import router, transaction
from payments import PaymentStatus, get_payment_model

from nexi_payments import money, signals, states
from nexi_payments.models import PaymentOrder
from nexi_payments.states import Reason

#: The first of these that one of our orders is in decides.
_CHARGED: Final = (
    (states.PAID, PaymentStatus.CONFIRMED),
    (states.AUTHORIZED, PaymentStatus.PREAUTH),
    (states.REFUNDED, PaymentStatus.REFUNDED),
    (states.VOIDED, PaymentStatus.REFUNDED),  # django-payments: released
)
#: Ends that are no answer to the shopper: another attempt took over, or the shop.
_REPLACED: Final = (Reason.SUPERSEDED,)


def connect() -> None:
    for name, signal in signals.BY_KIND.items():
        signal.connect(follow, dispatch_uid=f"nexi_django_payments_{name}")


def follow(sender: Any, order: PaymentOrder, **kwargs: Any) -> None:
    """Receiver of every outcome. Orders of other shops on the same site pass by."""
    model = get_payment_model()
    payment = order.content_object
    if isinstance(payment, model):
        update(payment)


def orders_of(payment: Any) -> list[PaymentOrder]:
    """All attempts at one payment, oldest first."""
    found = PaymentOrder.objects.filter(
        content_type__app_label=payment._meta.app_label,
        content_type__model=payment._meta.model_name,
        object_id=str(payment.pk),
    )
    return list(found.order_by("pk"))


def update(payment: Any) -> None:
    """Status, captured amount and our id on the payment, as our orders are now.

    Under a lock on its row, and ``status_changed`` is sent in the same transaction: a
    receiver that raises undoes the change, and the outbox brings it again.
    """
    model = type(payment)
    using = router.db_for_write(model, instance=payment)
    with transaction.atomic(using=using):
        rows = model._default_manager.using(using).select_for_update()
        payment = rows.get(pk=payment.pk)
        orders = orders_of(payment)
        status, order = _status(orders)
        if order is None:
            return
        payment.captured_amount = _kept(order)
        payment.transaction_id = order.public_id
        payment.save(update_fields=["captured_amount", "transaction_id"])
        if status and status != payment.status:
            payment.change_status(status)


def _status(orders: list[PaymentOrder]) -> tuple[str, PaymentOrder | None]:
    for state, status in _CHARGED:
        for order in reversed(orders):
            if order.state == state:
                return status, order
    if not orders:
        return "", None
    last = orders[-1]
    if any(one.state != states.FAILED for one in orders) or last.reason in _REPLACED:
        return "", last  # still open, or nobody was refused anything
    return PaymentStatus.REJECTED, last


def _kept(order: PaymentOrder) -> Decimal:
    """Captured and not given back, in major units: what django-payments means."""
    return money.to_major(order.captured_amount - order.refunded_amount, order.currency)
