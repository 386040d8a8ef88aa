"""Signal receivers. A signal may arrive twice; the parcel is sent once."""

from typing import Any

from django.db.models import F
from django.dispatch import receiver

from demo_shop.models import Fulfilment, ShopOrder
from nexi_payments import signals


@receiver(signals.payment_paid)
@receiver(signals.payment_authorized)
def fulfil(sender: Any, order: Any, event: Any, **kwargs: Any) -> None:
    shop_order = ShopOrder.objects.filter(number=order.reference).first()
    if shop_order is None or (order.total, order.currency) != (shop_order.total, "EUR"):
        return  # a clerk may have typed another amount or currency
    _, new = Fulfilment.objects.get_or_create(
        order=shop_order,
        defaults={"payment": order.order_id, "event_id": event.pk},
    )
    if not new:
        Fulfilment.objects.filter(order=shop_order).update(signals=F("signals") + 1)
