"""Somebody at the desk: logs in with some permissions, keys orders and cards."""

from __future__ import annotations

import re
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.http import HttpResponse
from django.test import Client

from nexi_payments.models import PaymentOrder
from tests.shopper import CARDS

BASE = "/admin/nexi_payments/paymentorder/"
DESK = BASE + "moto/"
PERMISSIONS = (
    "view_paymentorder",
    "take_moto",
    "capture_payment",
    "void_payment",
    "refund_payment",
    "reconcile_payment",
    "resolve_review",
    "cancel_capture",
    "view_contract",
    "charge_contract",
    "end_contract",
    "verify_card",
    "view_cardcheck",
)


def staff(name: str, *permissions: str) -> Any:
    """A member of staff who may do only this."""
    user = get_user_model().objects.create_user(name, is_staff=True)
    wanted = Permission.objects.filter(
        content_type__app_label="nexi_payments", codename__in=permissions
    )
    assert len(wanted) == len(set(permissions))
    user.user_permissions.set(wanted)
    return user


class Clerk:
    """A logged-in browser without JavaScript."""

    def __init__(self, *permissions: str, name: str = "clerk", **client: Any) -> None:
        self.user = staff(name, *permissions)
        self.browser = Client(
            HTTP_HOST="127.0.0.1:8000", REMOTE_ADDR="10.1.2.3", **client
        )
        self.browser.force_login(self.user)

    def get(self, path: str, **query: str) -> HttpResponse:
        return self.browser.get(path, query)

    def post(self, path: str, **fields: Any) -> HttpResponse:
        return self.browser.post(path, fields)

    def read(self, path: str, **query: str) -> str:
        response = self.get(path, **query)
        assert response.status_code == 200, (path, response.status_code)
        return response.content.decode()

    def open(self, **changes: Any) -> HttpResponse:
        """Step one: the order."""
        fields = {
            "amount": "12.50",
            "currency": "EUR",
            "reference": "R-1",
            "description": "Three cups",
            "customer_name": "Giulia Bianchi",
            "customer_email": "giulia@example.com",
        }
        return self.post(DESK, **{**fields, **changes})

    def card(self, order: PaymentOrder, ending: str = "challenge", **changes: Any):
        """Step two: the card."""
        card = CARDS[ending]
        fields = {
            "cardholder_name": "Giulia Bianchi",
            "card_number": card.number,
            "expiry": card.expiry,
            "security_code": card.cvv,
        }
        return self.post(card_page(order), **{**fields, **changes})

    def take(self, ending: str = "challenge", **changes: Any) -> PaymentOrder:
        """A whole phone order; the order as it is afterwards."""
        answer = self.open(**changes)
        assert answer.status_code == 302, answer.content.decode()
        order = opened(answer)
        answer = self.card(order, ending)
        assert answer.status_code == 302, answer.content.decode()
        assert answer["Location"] == result_page(order)
        order.refresh_from_db()
        return order


def opened(answer: HttpResponse) -> PaymentOrder:
    """The order that step one has led to."""
    found = re.search(r"/moto/([0-9a-f]{32})/", answer["Location"])
    assert found, answer["Location"]
    return PaymentOrder.objects.get(public_id=found[1])


def card_page(order: PaymentOrder) -> str:
    return f"{DESK}{order.public_id}/card/"


def result_page(order: PaymentOrder) -> str:
    return f"{DESK}{order.public_id}/"


def order_page(order: PaymentOrder) -> str:
    return f"{BASE}{order.pk}/change/"


def hidden(page: str) -> dict[str, str]:
    """The hidden fields of a page, the CSRF token aside."""
    fields = re.findall(r'type="hidden" name="([^"]+)" value="([^"]*)"', page)
    return {name: value for name, value in fields if name != "csrfmiddlewaretoken"}


def url(order: PaymentOrder, deed: str) -> str:
    return f"{BASE}{order.pk}/{deed}/"


def told(clerk: Clerk, answer: Any) -> str:
    """The page that an action leads to, with its messages."""
    assert answer.status_code == 302, answer.status_code
    return clerk.read(answer["Location"])


def confirm(clerk: Clerk, order: PaymentOrder, deed: str, **fields: Any) -> Any:
    """The form on the order's page, then "really?"."""
    first = clerk.post(url(order, deed), **fields)
    assert first.status_code == 200, told(clerk, first)
    return clerk.post(url(order, deed), **hidden(first.content.decode()))
