"""By docs/integrations.md, "Any other shop", and docs/contracts.md."""

from django.db import transaction
from django.dispatch import receiver
from salesman.orders.models import Order, OrderPayment
from salesman.orders.signals import status_changed

from nexi_payments import flows, signals
from nexi_payments.exceptions import AlreadyCharged
from nexi_payments.models import PaymentOrder
from tests.integrations.salesman_shop.models import Delivery


@receiver(signals.payment_paid)
@receiver(signals.payment_captured)
@receiver(signals.capture_cancelled)
@receiver(signals.payment_refunded)
@receiver(signals.payment_needs_review)
def book(sender, order, event, **kwargs):
    with transaction.atomic():
        bought = _locked(order)
        if bought is None:
            return
        payments = PaymentOrder.objects.filter(
            reference=bought.ref, currency="EUR"
        ).exclude(state="review")
        captured = refunded = 0
        for one in payments:
            captured += one.captured_total
            refunded += one.refunded_total
            if one.captured_total:
                left = one.captured_total - one.refunded_total
                OrderPayment.objects.update_or_create(
                    order=bought,
                    transaction_id=one.order_id,
                    defaults={"amount": left, "payment_method": "nexi"},
                )
        if captured >= bought.total and captured > refunded:
            _set_status(bought, "PROCESSING")
        elif captured and captured == refunded:
            _set_status(bought, "REFUNDED")


@receiver(signals.payment_failed)
def failed(sender, order, event, **kwargs):
    with transaction.atomic():
        bought = _locked(order)
        if bought is not None:
            cancelled = event.reason == "cancelled"
            _set_status(bought, "CANCELLED" if cancelled else "FAILED")


@receiver(signals.payment_paid)
def deliver(sender, order, event, **kwargs):
    if order.channel == "mit":
        Delivery.objects.get_or_create(
            number=order.reference,
            defaults={"order": order.content_object, "total": order.total},
        )


@receiver(status_changed)
def cancelled(sender, order, new_status, old_status, **kwargs):
    """In the transaction of the request that cancels the order."""
    payment = PaymentOrder.objects.for_object(order).order_by("-pk").first()
    if new_status == "CANCELLED" and payment is not None:
        try:
            flows.cancel(payment, "the shop cancelled the order")
        except AlreadyCharged as error:
            flows.enqueue_refund(error.order, key=f"{order.ref}-all")


def _locked(payment):
    return Order.objects.select_for_update().filter(ref=payment.reference).first()


def _set_status(bought, status):
    if status in bought.Status.get_transitions()[bought.status]:
        bought.status = status
        bought.save(update_fields=["status"])
