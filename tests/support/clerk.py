"""A clerk: logs in with some permissions, enters phone orders and cards."""

from __future__ import annotations

import re
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.http import HttpResponse
from django.test import Client

from nexi_payments.models import PaymentOrder
from tests.support.forms import card_fields, hidden_fields
from tests.support.shopper import post_form

ORDERS_URL = "/admin/nexi_payments/paymentorder/"
PHONE_ORDERS_URL = ORDERS_URL + "moto/"
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
    "view_cardverification",
)


def staff_user(name: str, *permissions: str) -> Any:
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
        self.user = staff_user(name, *permissions)
        self.browser = Client(
            HTTP_HOST="127.0.0.1:8000", REMOTE_ADDR="10.1.2.3", **client
        )
        self.browser.force_login(self.user)

    def get(self, path: str, **query: str) -> HttpResponse:
        return self.browser.get(path, query)

    def post(self, path: str, **fields: Any) -> HttpResponse:
        return post_form(self.browser, path, fields)

    def get_text(self, path: str, **query: str) -> str:
        response = self.get(path, **query)
        assert response.status_code == 200, (path, response.status_code)
        return response.content.decode()

    def create_order(self, **changes: Any) -> HttpResponse:
        """Step one: the order."""
        fields = {
            "amount": "12.50",
            "currency": "EUR",
            "reference": "R-1",
            "description": "Three cups",
            "customer_name": "Giulia Bianchi",
            "customer_email": "giulia@example.com",
        }
        return self.post(PHONE_ORDERS_URL, **{**fields, **changes})

    def submit_card(
        self, order: PaymentOrder, ending: str = "challenge", **changes: Any
    ):
        """Step two: the card."""
        return self.post(card_url(order), **card_fields(ending, **changes))

    def take_phone_order(
        self, ending: str = "challenge", **changes: Any
    ) -> PaymentOrder:
        """Takes a whole phone order. Returns the order as it is afterwards."""
        answer = self.create_order(**changes)
        assert answer.status_code == 302, answer.content.decode()
        order = order_from_redirect(answer)
        answer = self.submit_card(order, ending)
        assert answer.status_code == 302, answer.content.decode()
        assert answer["Location"] == result_url(order)
        order.refresh_from_db()
        return order


def order_from_redirect(answer: HttpResponse) -> PaymentOrder:
    """The order that step one has led to."""
    found = re.search(r"/moto/([A-Za-z0-9]{18})/", answer["Location"])
    assert found, answer["Location"]
    return PaymentOrder.objects.get(order_id=found[1])


def card_url(order: PaymentOrder) -> str:
    return f"{PHONE_ORDERS_URL}{order.order_id}/card/"


def result_url(order: PaymentOrder) -> str:
    return f"{PHONE_ORDERS_URL}{order.order_id}/"


def order_url(order: PaymentOrder) -> str:
    return f"{ORDERS_URL}{order.pk}/change/"


def action_url(order: PaymentOrder, action: str) -> str:
    return f"{ORDERS_URL}{order.pk}/{action}/"


def follow_redirect(clerk: Clerk, answer: Any) -> str:
    """The page that an action leads to, with its messages."""
    assert answer.status_code == 302, answer.status_code
    return clerk.get_text(answer["Location"])


def confirm_action(
    clerk: Clerk, order: PaymentOrder, action: str, **fields: Any
) -> Any:
    """The form on the order's page, then "really?"."""
    first = clerk.post(action_url(order, action), **fields)
    assert first.status_code == 200, follow_redirect(clerk, first)
    return clerk.post(
        action_url(order, action), **hidden_fields(first.content.decode())
    )
