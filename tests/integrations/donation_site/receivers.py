"""By docs/integrations.md, "Any other shop", and docs/contracts.md."""

from django.db import transaction
from django.dispatch import receiver

from nexi_payments import signals
from nexi_payments.models import PaymentOrder
from tests.integrations.donation_site.models import Gift, Pledge


@receiver(signals.payment_paid)
@receiver(signals.payment_captured)
@receiver(signals.capture_cancelled)
@receiver(signals.payment_refunded)
@receiver(signals.payment_needs_review)
def book(sender, order, event, **kwargs):
    with transaction.atomic():
        pledge = _locked(order)
        if pledge is None:
            return  # of another site, or a month of a pledge
        payments = PaymentOrder.objects.filter(
            reference=pledge.number, currency="EUR"
        ).exclude(state="review")
        pledge.captured = sum(one.captured_total for one in payments)
        pledge.refunded = sum(one.refunded_total for one in payments)
        if pledge.captured and pledge.captured == pledge.refunded:
            pledge.status = "refunded"
        elif pledge.captured >= pledge.total:
            pledge.status = "paid"
        pledge.save(update_fields=["captured", "refunded", "status"])


@receiver(signals.payment_failed)
def failed(sender, order, event, **kwargs):
    with transaction.atomic():
        pledge = _locked(order)
        if pledge is not None and pledge.status == "open":
            cancelled = event.reason == "cancelled"
            pledge.status = "cancelled" if cancelled else "failed"
            pledge.save(update_fields=["status"])


@receiver(signals.payment_paid)
def count_month(sender, order, event, **kwargs):
    if order.channel == "mit":
        Gift.objects.get_or_create(
            number=order.reference,
            defaults={"pledge": order.content_object, "total": order.total},
        )


def _locked(payment):
    pledges = Pledge.objects.select_for_update()
    return pledges.filter(number=payment.reference).first()
