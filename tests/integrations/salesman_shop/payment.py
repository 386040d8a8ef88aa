"""Salesman's payment method, by docs/integrations.md, "Any other shop"."""

from decimal import Decimal

from django.urls import reverse
from salesman.checkout.payment import PaymentError, PaymentMethod
from salesman.orders.models import Order

from nexi_payments import flows
from nexi_payments.exceptions import NexiPaymentsError
from nexi_payments.models import PaymentOrder


class CardPayment(PaymentMethod):
    identifier = "nexi"
    label = "Card"

    def basket_payment(self, basket, request):
        order = Order.objects.create_from_basket(basket, request)
        basket.delete()
        return self.order_payment(order, request)

    def order_payment(self, order, request):
        page = (
            f"{reverse('salesman-order-detail', args=[order.ref])}?token={order.token}"
        )
        terms = flows.ContractTerms(
            "Coffee, monthly", interval_days=30, amount=Decimal(order.total)
        )
        try:
            payment = flows.create_order(
                amount=order.total,
                currency="EUR",
                reference=order.ref,
                customer=flows.describe_customer(order.user, order),
                user=order.user,
                success_url=page,
                failure_url=page,
                content_object=order,
                contract=terms if order.extra.get("monthly") else None,
            )
        except NexiPaymentsError as error:
            raise PaymentError(str(error)) from error
        return payment.page_url()

    def refund_payment(self, payment):
        """Queued in the transaction of salesman's request: not refunded yet."""
        paid = PaymentOrder.objects.get(order_id=payment.transaction_id)
        key = f"{payment.order.ref}-all"
        flows.enqueue_refund(paid, payment.amount, reason="returned", key=key)
        return False
