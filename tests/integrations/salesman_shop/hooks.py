"""By docs/hooks.md."""

from salesman.orders.models import Order

from nexi_payments import flows


def may_be_charged(payment):
    if payment.channel == "mit":
        return None
    order = Order.objects.filter(ref=payment.reference).first()
    if order is None or order.status == "CANCELLED":
        return "This order was cancelled."
    if (payment.total, payment.currency) != (order.amount_outstanding, "EUR"):
        return "Your order has changed. Please check out again."
    return None


def find_order(reference, *, terminal, user):
    order = Order.objects.filter(ref=reference).first()
    if order is None or order.status not in order.Status.get_payable():
        return None
    return flows.ShopOrder(
        amount=order.amount_outstanding,
        currency="EUR",
        description=f"Coffee, order {order.ref}",
        customer={"email": order.email},
        content_object=order,
    )
