"""URLs of staff pages hold ids that may be shown, and no secret."""

from __future__ import annotations

import re

import pytest

from tests.support.clerk import (
    PERMISSIONS,
    PHONE_ORDERS_URL,
    Clerk,
    action_url,
    order_url,
    result_url,
)
from tests.support.shopper import Shopper

pytestmark = pytest.mark.django_db(transaction=True)


def test_addresses_of_staff_hold_no_secret(shopper: Shopper) -> None:
    clerk = Clerk(*PERMISSIONS)
    order = clerk.take_phone_order()
    for page in (result_url(order), order_url(order)):
        links = re.findall(r'(?:href|action|data-\w+)="([^"]*)"', clerk.get_text(page))
        assert any(order.order_id in link or f"/{order.pk}/" in link for link in links)
        assert not any(order.public_id in link for link in links)
    assert clerk.get(f"{PHONE_ORDERS_URL}{order.public_id}/").status_code == 404
    assert action_url(order, "refund").endswith(f"/{order.pk}/refund/")
