"""What shops read of a payment: its amounts, and the payments of an object."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group

from nexi_payments import flows
from nexi_payments.models import DailyReport, PaymentOrder
from tests.support.shopper import Shopper, new_order

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.usefixtures("every_currency")
@pytest.mark.parametrize(
    ("amount", "currency", "part"),
    [("12.50", "EUR", "2.00"), ("2500", "JPY", "200"), ("1.250", "KWD", "0.005")],
)
def test_amounts_in_major_units(
    shopper: Shopper, amount: str, currency: str, part: str
) -> None:
    order = shopper.pay(new_order(amount=Decimal(amount), currency=currency))
    assert (order.total, order.captured_total) == (Decimal(amount), Decimal(amount))
    assert order.refunded_total == 0
    flows.refund(order, Decimal(part))
    order.refresh_from_db()
    assert (order.captured_total, order.refunded_total) == (
        Decimal(amount),
        Decimal(part),
    )


def test_the_payments_of_an_object() -> None:
    one, two = (Group.objects.create(name=name) for name in "ab")
    first = new_order(content_object=one)
    second = new_order(content_object=one, amount=Decimal("1.00"))
    new_order(content_object=two)
    new_order()
    same_key = get_user_model().objects.create(pk=one.pk, username="giulia")
    new_order(content_object=same_key)
    assert set(PaymentOrder.objects.for_object(one)) == {first, second}
    open_ones = PaymentOrder.objects.filter(state="init")
    assert open_ones.for_object(one).count() == 2
    assert PaymentOrder.objects.filter(state="paid").for_object(one).count() == 0
    assert DailyReport.objects.for_object(one).count() == 2
