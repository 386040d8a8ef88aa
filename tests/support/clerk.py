"""A clerk: logs in with some permissions, enters phone orders and cards."""

from __future__ import annotations

import re
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.http import HttpResponse
from django.test import Client

from nexi_payments.models import PaymentOrder
from nexi_payments.testing.forms import hidden_fields
from tests.support.shopper import HOST
from tests.support.staff import (
    ORDERS_URL,
    PHONE_ORDERS_URL,
    Staff,
    action_url,
    card_url,
    order_url,
    result_url,
)

__all__ = [
    "MOTO_ENDPOINT",
    "ORDERS_URL",
    "PERMISSIONS",
    "PHONE_ORDERS_URL",
    "Clerk",
    "action_url",
    "card_url",
    "confirm_action",
    "follow_redirect",
    "grant",
    "hidden_fields",
    "order_from_redirect",
    "order_url",
    "result_url",
    "staff_user",
]

MOTO_ENDPOINT = "POST /orders/moto"
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
    "approve_payment",
)


def grant(user: Any, *permissions: str) -> None:
    """Give a user these permissions of ours, and no others."""
    wanted = Permission.objects.filter(
        content_type__app_label="nexi_payments", codename__in=permissions
    )
    assert len(wanted) == len(set(permissions))
    user.user_permissions.set(wanted)


def staff_user(name: str, *permissions: str) -> Any:
    """A member of staff who may do only this."""
    user = get_user_model().objects.create_user(name, is_staff=True)
    grant(user, *permissions)
    return user


class Clerk(Staff):
    """A new member of staff, logged in with some permissions."""

    def __init__(self, *permissions: str, name: str = "clerk", **client: Any) -> None:
        super().__init__(Client(HTTP_HOST=HOST, REMOTE_ADDR="10.1.2.3", **client))
        self.user = staff_user(name, *permissions)
        self.browser.force_login(self.user)

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
