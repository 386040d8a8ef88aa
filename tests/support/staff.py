"""Staff at a browser: phone orders, their cards, and the pages of payments.

Needs no Django settings: clerks of other processes use it, too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from nexi_payments.testing.forms import card_fields
from nexi_payments.testing.shopper import Visitor

if TYPE_CHECKING:
    from nexi_payments.models import PaymentOrder

ORDERS_URL = "/admin/nexi_payments/paymentorder/"
PHONE_ORDERS_URL = ORDERS_URL + "moto/"


class Staff(Visitor):
    request_options: ClassVar[Mapping[str, Any]] = {}

    def get_text(self, path: str, **query: str) -> str:
        response = self.get(path, **query)
        assert response.status_code == 200, (path, response.status_code)
        return response.content.decode()

    def create_order(self, **changes: Any) -> Any:
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
        self, order: PaymentOrder | str, ending: str = "challenge", **changes: Any
    ) -> Any:
        """Step two: the card, on the page of ``order`` or on the one at this path."""
        path = order if isinstance(order, str) else card_url(order)
        return self.post(path, **card_fields(ending, **changes))


def card_url(order: PaymentOrder) -> str:
    return f"{PHONE_ORDERS_URL}{order.order_id}/card/"


def result_url(order: PaymentOrder) -> str:
    return f"{PHONE_ORDERS_URL}{order.order_id}/"


def order_url(order: PaymentOrder) -> str:
    return f"{ORDERS_URL}{order.pk}/change/"


def action_url(order: PaymentOrder, action: str) -> str:
    return f"{ORDERS_URL}{order.pk}/{action}/"
