"""A shopper: enters a card, answers the 3-D Secure challenge, returns."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, ClassVar

from django.test import Client

from nexi_payments import flows
from nexi_payments.models import PaymentOrder
from nexi_payments.simulator import Simulator
from nexi_payments.testing import shopper
from nexi_payments.testing.forms import CARDS, Form, parse_form, post_form

__all__ = ["CARDS", "SITE", "Form", "Shopper", "new_order", "parse_form", "post_form"]

HOST = "127.0.0.1:8000"
SITE = f"http://{HOST}"


def new_order(**changes: Any) -> PaymentOrder:
    facts: dict[str, Any] = {"amount": Decimal("12.50"), "currency": "EUR"}
    return flows.create_order(**{**facts, **changes})


class Shopper(shopper.Shopper):
    """The public one on this host, over http, with the gateway at hand."""

    request_options: ClassVar[Mapping[str, Any]] = {}

    def __init__(self, gateway: Simulator, **client: Any) -> None:
        super().__init__(Client(HTTP_HOST=HOST, **client))
        self.gateway = gateway

    def browser_without_cookies(self) -> Client:
        return Client(HTTP_HOST=HOST)

    def start(
        self, order: PaymentOrder, ending: str = "challenge", **changes: str
    ) -> Form:
        """Enters a card. Returns the form that leads to the issuer."""
        response = self.submit_card(order, ending, **changes)
        assert response.status_code == 200, response
        form = parse_form(response)
        assert list(form.fields) == ["ThreeDsRequest", "ReturnUrl", "transactionId"]
        return form

    def answer_challenge(self, form: Form, answer: str = "approve") -> dict[str, str]:
        """Returns what the issuer's page makes the browser post back."""
        return self.gateway.answer_challenge(form.operation_id, answer)

    def pay(
        self, order: PaymentOrder, ending: str = "challenge", answer: str = "approve"
    ) -> PaymentOrder:
        form = self.start(order, ending)
        response = self.return_from_issuer(form, self.answer_challenge(form, answer))
        assert response.status_code == 303
        return PaymentOrder.objects.get(gateway_operation_id=form.operation_id)
