"""What a shop that was typed from the page must survive. It is a test file of that
project: ``test_recipe.py`` copies it there."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from yourshop.cancel import cancel_order
from yourshop.links import payments_url
from yourshop.models import ShopOrder

from nexi_payments import flows
from nexi_payments.exceptions import OrderBusy
from nexi_payments.models import PaymentOrder

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def shopper() -> Client:
    return Client()


def buy(shopper: Client, **changes: Any) -> tuple[ShopOrder, PaymentOrder]:
    """Through the shop's own pages; ``changes`` are of its order, before it is paid."""
    answer = shopper.post("/checkout/")
    bought = ShopOrder.objects.latest("pk")
    payment = PaymentOrder.objects.for_object(bought).get()
    assert (answer.status_code, answer["Location"]) == (302, payment.page_url())
    if changes:
        ShopOrder.objects.filter(pk=bought.pk).update(**changes)
        page = f"/orders/{bought.number}/"
        assert shopper.post(page).status_code == 302
        bought.refresh_from_db()
        payment = PaymentOrder.objects.for_object(bought).latest("pk")
    return bought, payment


def told(bought: ShopOrder) -> tuple[Decimal, Decimal, bool]:
    bought.refresh_from_db()
    return bought.captured, bought.refunded, bought.may_be_shipped


def phone(nexi: Any, bought: ShopOrder, amount: str, currency: str) -> PaymentOrder:
    """A clerk charges a phone order, and types the number of the order."""
    order = flows.create_moto_order(
        amount=Decimal(amount),
        currency=currency,
        reference=bought.number,
        terminal="moto",
        actor=flows.Actor(),
    )
    order = nexi.pay_moto(order)
    assert order.state == "paid"
    return order


def test_paid_and_refunded(shopper: Client, nexi_simulator: Any) -> None:
    bought, payment = buy(shopper)
    assert told(bought) == (0, 0, False)
    payment = nexi_simulator.pay(payment)
    assert told(bought) == (Decimal("12.50"), 0, True)
    # a partial refund before the parcel leaves does not stop it; a full one does
    flows.refund(payment, Decimal("2.00"))
    nexi_simulator.reconcile()
    assert told(bought) == (Decimal("12.50"), 2, True)
    flows.refund(payment)
    nexi_simulator.reconcile()
    assert told(bought) == (Decimal("12.50"), Decimal("12.50"), False)
    assert f"<p>12.50 of {bought.total}</p>" in (
        shopper.get(f"/orders/{bought.number}/").content.decode()
    )


@pytest.mark.parametrize(
    ("total", "currency", "paid", "in_currency"),
    [
        ("25.00", "EUR", "25.00", "HUF"),
        ("25.00", "EUR", "2500", "JPY"),
        ("25.00", "EUR", "2.50", "EUR"),
        ("2500", "JPY", "25.00", "EUR"),
        ("2500", "JPY", "2500.00", "USD"),
    ],
)
def test_another_amount_by_telephone(
    shopper: Client,
    nexi_simulator: Any,
    total: str,
    currency: str,
    paid: str,
    in_currency: str,
) -> None:
    bought = ShopOrder.objects.create(
        number="D-1", total=Decimal(total), currency=currency
    )
    phone(nexi_simulator, bought, paid, in_currency)
    came_in = Decimal(paid) if currency == in_currency else 0
    assert told(bought) == (came_in, 0, False)
    # what is right counts, beside what is not
    payment = PaymentOrder.objects.get()
    flows.refund(payment)
    nexi_simulator.reconcile()
    phone(nexi_simulator, bought, total, currency)
    assert told(bought) == (came_in + Decimal(total), came_in, True)


def test_yen(shopper: Client, nexi_simulator: Any) -> None:
    bought, payment = buy(shopper, total=Decimal("2500"), currency="JPY")
    assert (payment.amount, payment.currency) == (2500, "JPY")
    payment = nexi_simulator.pay(payment)
    assert told(bought) == (2500, 0, True)
    flows.refund(payment, Decimal("300"))
    nexi_simulator.reconcile()
    assert told(bought) == (2500, 300, True)


def test_captured_in_parts(shopper: Client, nexi_simulator: Any, settings: Any) -> None:
    terminals = settings.NEXI_PAYMENTS["TERMINALS"]
    manual = {**terminals, "default": {"CAPTURE": "manual"}}
    settings.NEXI_PAYMENTS = {**settings.NEXI_PAYMENTS, "TERMINALS": manual}
    bought, payment = buy(shopper)
    payment = nexi_simulator.pay(payment)
    assert (payment.state, told(bought)) == ("authorized", (0, 0, False))
    first = flows.capture(payment, Decimal("5.00"))
    assert told(bought) == (5, 0, False)
    flows.capture(payment, Decimal("7.50"))
    assert told(bought) == (Decimal("12.50"), 0, True)
    flows.cancel_capture(payment, first)
    assert told(bought) == (Decimal("7.50"), 0, False)


def test_a_cancelled_order(shopper: Client, nexi_simulator: Any) -> None:
    bought, payment = buy(shopper)
    ShopOrder.objects.update(cancelled=True)
    page = shopper.post(f"/orders/{bought.number}/")
    assert page.status_code == 200  # "pay now" leads nowhere
    assert PaymentOrder.objects.get() == payment
    # its card page was still open
    assert nexi_simulator.pay(payment).state == "paid"
    assert told(bought) == (Decimal("12.50"), 0, False)


def test_an_order_is_cancelled_with_its_payment(
    shopper: Client, nexi_simulator: Any
) -> None:
    bought, payment = buy(shopper)
    nexi_simulator.start(payment)
    cancel_order(bought.number, "out of stock")
    nexi_simulator.complete_3ds(order=payment)
    payment.refresh_from_db()
    assert (payment.state, payment.reason) == ("failed", "cancelled")
    assert nexi_simulator.charges == ()
    assert told(bought) == (0, 0, False)


def test_a_paid_order_is_cancelled_once(shopper: Client, nexi_simulator: Any) -> None:
    bought, payment = buy(shopper)
    nexi_simulator.pay(payment)
    cancel_order(bought.number, "out of stock")
    cancel_order(bought.number, "pressed twice")
    assert [one.refunded for one in nexi_simulator.charges] == [1250]
    assert told(bought) == (Decimal("12.50"), Decimal("12.50"), False)


def test_an_order_is_not_cancelled_during_its_charge(
    shopper: Client, nexi_simulator: Any
) -> None:
    bought, payment = buy(shopper)
    nexi_simulator.start(payment)
    nexi_simulator.lose_next_answer()
    nexi_simulator.fail_next_call("inquiry")
    nexi_simulator.fail_next_call("inquiry")
    nexi_simulator.complete_3ds()
    with pytest.raises(OrderBusy):
        cancel_order(bought.number, "out of stock")
    bought.refresh_from_db()
    assert not bought.cancelled
    nexi_simulator.advance(minutes=5)
    assert told(bought) == (Decimal("12.50"), 0, True)
    cancel_order(bought.number, "out of stock")
    assert told(bought) == (Decimal("12.50"), Decimal("12.50"), False)


def test_declined_then_paid_and_charged_twice(
    shopper: Client, nexi_simulator: Any
) -> None:
    bought, payment = buy(shopper)
    nexi_simulator.pay(payment, "declined")
    assert told(bought) == (0, 0, False)
    shopper.post(f"/orders/{bought.number}/")
    second = PaymentOrder.objects.for_object(bought).latest("pk")
    assert second != payment
    nexi_simulator.pay(second)
    assert told(bought) == (Decimal("12.50"), 0, True)
    shopper.post(f"/orders/{bought.number}/")  # paid: no third one
    assert PaymentOrder.objects.for_object(bought).count() == 2


def test_under_review(shopper: Client, nexi_simulator: Any) -> None:
    """Nexi declined, and somebody there charged it after all."""
    bought, payment = buy(shopper)
    payment = nexi_simulator.pay(payment, "declined")
    store = nexi_simulator.gateway.store
    with store.edit_payment(payment.gateway_operation_id) as record:
        record.update(result="EXECUTED", code="000", capture="IMPLICIT")
    nexi_simulator.advance(minutes=30)
    payment.refresh_from_db()
    assert payment.state == "review"
    assert told(bought) == (0, 0, False)
    flows.resolve(payment, "paid", reason="Nexi's back office shows the charge")
    nexi_simulator.reconcile()
    assert told(bought) == (Decimal("12.50"), 0, True)


def test_a_recurring_charge_pays_no_order_of_the_shop(
    shopper: Client, nexi_simulator: Any
) -> None:
    bought = ShopOrder.objects.create(number="S-1", total=Decimal("9.00"))
    order = flows.create_order(
        amount=bought.total,
        currency="EUR",
        reference=bought.number,
        content_object=bought,
        contract=flows.ContractTerms(
            "Coffee", interval_days=30, amount=Decimal("9.00")
        ),
    )
    nexi_simulator.pay(order)
    assert told(bought) == (9, 0, True)
    nexi_simulator.advance(days=30, hours=1)
    counts = flows.charge_due()
    nexi_simulator.reconcile()
    assert counts.charged == 1
    assert PaymentOrder.objects.get(channel="mit").state == "paid"
    assert told(bought) == (9, 0, True)


def test_staff_go_from_the_payment_to_the_order(shopper: Client) -> None:
    bought, payment = buy(shopper)
    staff = Client()
    staff.force_login(User.objects.create_superuser("boss"))
    page = reverse("admin:nexi_payments_paymentorder_change", args=[payment.pk])
    text = staff.get(page).content.decode()
    assert f"shop order {bought.pk} · " in text  # it is not in this admin
    other = flows.create_order(amount=Decimal("1.00"), currency="EUR")
    shown = staff.get(payments_url(bought)).content.decode()
    assert payment.order_id in shown
    assert other.order_id not in shown
