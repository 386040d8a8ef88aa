"""A shopper on Nexi's hosted page, over our pages and the simulator's."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode, urlsplit

from django.conf import settings
from django.test import Client

from nexi_payments.models import PaymentOrder
from nexi_payments.simulator import Simulator
from tests.support.shopper import HOST

#: Cards on our page and every other method on Nexi's; all on Nexi's; two keys.
TERMINALS: dict[str, dict[str, Any]] = {
    "methods": {"ENVIRONMENT": "simulator", "METHODS": "auto"},
    "nexi_only": {
        "ENVIRONMENT": "simulator",
        "METHODS": ["PAYPAL", "MYBANK"],
        "CARDS": "hosted_page",
    },
    "two_keys": {
        "ENVIRONMENT": "simulator",
        "METHODS": ["PAYPAL"],
        "HOSTED_TERMINAL": "opener",
    },
    "opener": {"ENVIRONMENT": "simulator"},
}


def with_hosted_terminals(**changes: Any) -> dict[str, Any]:
    """``NEXI_PAYMENTS`` of the tests with ``TERMINALS``, and ``changes``."""
    found: dict[str, Any] = copy.deepcopy(settings.NEXI_PAYMENTS)
    found["TERMINALS"] |= copy.deepcopy(TERMINALS)
    return found | changes


class HostedShopper:
    """``client`` is the browser; notifications reach the shop by another one."""

    def __init__(self, gateway: Simulator, client: Client | None = None) -> None:
        self.gateway = gateway
        self.client = client or Client(HTTP_HOST=HOST)
        gateway.deliver = self.deliver

    def deliver(self, url: str, headers: Mapping[str, str], body: bytes) -> int:
        nexi = Client(HTTP_HOST=HOST)
        kind = headers["Content-Type"]
        answer = nexi.post(urlsplit(url).path, body, content_type=kind)
        return answer.status_code

    def choose(self, order: PaymentOrder, method: str = "PAYPAL") -> Any:
        """Presses the button of a method. Returns our response."""
        return self.client.post(
            order.page_url(),
            urlencode({"method": method}),
            content_type="application/x-www-form-urlencoded",
        )

    def go(self, order: PaymentOrder, method: str = "PAYPAL") -> PaymentOrder:
        """As ``choose``, and is sent to Nexi. Returns the attempt."""
        before = PaymentOrder.objects.count()
        response = self.choose(order, method)
        assert response.status_code == 303, response
        assert urlsplit(response.url).netloc == "localhost:8000", response.url
        order.refresh_from_db()
        if PaymentOrder.objects.count() > before:
            return PaymentOrder.objects.latest("pk")
        return order

    def act(
        self,
        order: PaymentOrder,
        ending: str = "pay",
        *,
        notify: str = "never",
        comes_back: bool = True,
        **more: str,
    ) -> PaymentOrder:
        """Visits Nexi's hosted page, and comes back. Returns the fresh order."""
        visit = self.gateway.hosted.pay(
            order.order_id, method=order.method, ending=ending, notify=notify, **more
        )
        if comes_back and visit.return_url:
            response = self.client.get(urlsplit(visit.return_url).path)
            assert response.status_code == 303
        return PaymentOrder.objects.get(pk=order.pk)
