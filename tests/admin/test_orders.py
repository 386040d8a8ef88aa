"""What staff see: everything about a payment but its card, and nothing to change."""

from __future__ import annotations

import pytest
from django.contrib.auth import get_user_model
from django.test import Client

from nexi_payments.enums import OperationKind, OrderState
from tests.support.clerk import Clerk
from tests.support.shopper import CARDS, Shopper, new_order

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def admin() -> Client:
    client = Client(HTTP_HOST="127.0.0.1:8000")
    client.force_login(get_user_model().objects.create_superuser("boss"))
    return client


def test_the_list_and_a_page(shopper: Shopper, admin: Client) -> None:
    order = shopper.pay(new_order(reference="R-1"))
    listed = admin.get("/admin/nexi_payments/paymentorder/").content.decode()
    assert order.order_id in listed
    assert "12.50\u00a0EUR" in listed
    url = f"/admin/nexi_payments/paymentorder/{order.pk}/change/"
    page = admin.get(url).content.decode()
    assert "4549" in page
    assert CARDS["challenge"].number not in page
    assert order.operations.get(kind=OperationKind.PAYMENT).correlation_id in page
    assert 'name="_save"' not in page


def test_nothing_can_be_added_changed_or_deleted(admin: Client) -> None:
    order = new_order()
    base = "/admin/nexi_payments/paymentorder/"
    assert admin.get(base + "add/").status_code == 403
    url = f"{base}{order.pk}/"
    assert admin.post(url + "change/", {"state": "paid"}).status_code == 403
    assert admin.post(url + "delete/", {"post": "yes"}).status_code == 403
    order.refresh_from_db()
    assert order.state == OrderState.INIT


@pytest.mark.parametrize(
    ("permission", "status"), [("view_paymentorder", 200), ("", 403)]
)
def test_the_autocomplete_of_a_model_of_the_host(permission: str, status: int) -> None:
    """Django passes the object by its name there."""
    new_order()
    clerk = Clerk(*filter(None, [permission]))
    query = {"app_label": "nexi_payments", "model_name": "event", "field_name": "order"}
    assert clerk.get("/admin/autocomplete/", **query).status_code == status
