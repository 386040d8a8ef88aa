"""Bought over salesman's API."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django.contrib.auth.models import User
from django.test import Client, TransactionTestCase
from django.urls import reverse
from salesman.orders.models import Order

from nexi_payments.models import PaymentOrder, QueuedRefund
from tests.integrations.life import Life, Sums
from tests.integrations.salesman_shop.models import Coffee

_NAMES = {
    "CREATED": "open",
    "PROCESSING": "paid",
    "FAILED": "failed",
    "CANCELLED": "cancelled",
    "REFUNDED": "refunded",
}


class SalesmanShop(Life, TransactionTestCase):
    def setUp(self) -> None:
        self.coffee = Coffee.objects.create(name="Coffee", code="c", price="12.50")
        self.boss = Client(raise_request_exception=False)
        self.boss.force_login(User.objects.create_superuser("boss"))

    def post(self, path: str, *, by: Client | None = None, **data: Any) -> Any:
        client = by or self.client
        return client.post(f"/api/{path}/", data, content_type="application/json")

    def buy(self, *, monthly: bool = False) -> tuple[Order, PaymentOrder]:
        answer = self.post(
            "basket",
            product_type="salesman_shop.Coffee",
            product_id=self.coffee.pk,
            quantity=2,
        )
        self.assertEqual(answer.status_code, 201, answer.content)
        answer = self.post(
            "checkout",
            email="giulia@shop.example",
            shipping_address="Via Roma 1, Milano",
            billing_address="Via Roma 1, Milano",
            payment_method="nexi",
            extra={"monthly": True} if monthly else {},
        )
        self.assertEqual(answer.status_code, 201, answer.content)
        bought = Order.objects.get()
        payment = PaymentOrder.objects.for_object(bought).get()
        self.assertEqual(answer.json(), {"url": payment.page_url()})
        return bought, payment

    def pay_again(self, bought: Order) -> PaymentOrder:
        path = f"orders/{bought.ref}/pay"
        client = self.client
        answer = client.post(
            f"/api/{path}/?token={bought.token}",
            {"payment_method": "nexi"},
            content_type="application/json",
        )
        self.assertEqual(answer.status_code, 200, answer.content)
        payment = PaymentOrder.objects.for_object(bought).latest("pk")
        self.assertEqual(answer.json()["url"], payment.page_url())
        return payment

    def shows(self, bought: Order) -> Sums:
        bought = Order.objects.get(pk=bought.pk)
        # salesman counts what is left of each payment
        came_in = PaymentOrder.objects.filter(
            order_id__in=bought.payments.values("transaction_id")
        )
        captured = sum((one.captured_total for one in came_in), Decimal())
        refunded = captured - bought.amount_paid
        return captured, refunded, _NAMES[bought.status]

    def give_back(self, bought: Order, amount: str, parcel: str, **more: str) -> int:
        fields = {"amount": amount, "parcel": parcel, **more}
        return self.boss.post(f"/returns/{bought.ref}/", fields).status_code

    def cancel(self, bought: Order) -> None:
        answer = self.boss.put(
            f"/api/orders/{bought.ref}/status/",
            {"status": "CANCELLED"},
            content_type="application/json",
        )
        self.assertEqual(answer.status_code, 200, answer.content)

    def reprice(self, bought: Order, total: str) -> None:
        Order.objects.filter(pk=bought.pk).update(total=total)

    def renewals(self, bought: Order) -> list[tuple[str, Decimal]]:
        return list(bought.deliveries.values_list("number", "total"))

    def number(self, bought: Order) -> str:
        return bought.ref

    # -- salesman's own buttons ------------------------------------------------------

    def test_refunded_by_salesmans_button(self) -> None:
        bought, payment = self.buy()
        self.nexi.pay(payment)
        answer = self.post(f"orders/{bought.ref}/refund", by=self.boss)
        # queued, and sent after the commit: salesman's answer could not know yet
        self.assertEqual(answer.status_code, 206, answer.content)
        self.assertEqual(self.money(), [(2500, 2500)])
        self.see(bought, "25.00", "25.00", "refunded")
        self.assertEqual(QueuedRefund.objects.get().key, f"{bought.ref}-all")

    def test_staff_go_from_the_payment_to_the_order(self) -> None:
        bought, payment = self.buy()
        page = reverse("admin:nexi_payments_paymentorder_change", args=[payment.pk])
        order_page = reverse("admin:salesmanorders_order_change", args=[bought.pk])
        self.assertContains(self.boss.get(page), f'href="{order_page}')

    def test_a_paid_order_takes_no_other_payment(self) -> None:
        bought, payment = self.buy()
        self.nexi.pay(payment)
        answer = self.client.post(
            f"/api/orders/{bought.ref}/pay/?token={bought.token}",
            {"payment_method": "nexi"},
            content_type="application/json",
        )
        self.assertEqual(answer.status_code, 400)
        self.assertEqual(PaymentOrder.objects.count(), 1)
