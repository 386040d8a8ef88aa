"""A shopper: enters a card, answers the 3-D Secure challenge, returns."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from django.http import HttpResponse
from django.test import Client

from nexi_payments import flows
from nexi_payments.models import PaymentOrder
from nexi_payments.simulator import Simulator
from tests.support.forms import CARDS, all_hidden_fields, card_fields

__all__ = ["CARDS", "Form", "Shopper", "new_order", "parse_form", "post_form"]

SITE = "http://127.0.0.1:8000"


def new_order(**changes: Any) -> PaymentOrder:
    facts: dict[str, Any] = {"amount": Decimal("12.50"), "currency": "EUR"}
    return flows.create_order(**{**facts, **changes})


@dataclass
class Form:
    """A form on a page: where it posts, and its hidden fields."""

    action: str
    fields: dict[str, str] = field(default_factory=dict)

    @property
    def path(self) -> str:
        return self.fields["ReturnUrl"].removeprefix(SITE)


def parse_form(response: HttpResponse) -> Form:
    page = response.content.decode()
    action = re.search(r'<form[^>]*action="([^"]*)"', page)
    return Form(html.unescape(action[1]) if action else "", all_hidden_fields(page))


def post_form(browser: Any, path: str, fields: dict[str, Any], **more: Any) -> Any:
    """As a browser posts a form; the test client's own way is one of files."""
    kind = "application/x-www-form-urlencoded"
    return browser.post(path, urlencode(fields, doseq=True), content_type=kind, **more)


class Shopper:
    def __init__(self, gateway: Simulator, **client: Any) -> None:
        self.gateway = gateway
        self.browser = Client(HTTP_HOST="127.0.0.1:8000", **client)

    def submit_card(
        self, order: PaymentOrder, ending: str = "challenge", **changes: str
    ):
        """Posts the card form."""
        return post_form(self.browser, order.page_url(), card_fields(ending, **changes))

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
        return self.gateway.answer_challenge(form.fields["transactionId"], answer)

    def return_from_issuer(self, form: Form, fields: dict[str, str]) -> HttpResponse:
        """The issuer's cross-site POST: it carries no cookies."""
        return Client(HTTP_HOST="127.0.0.1:8000").post(form.path, fields)

    def pay(
        self, order: PaymentOrder, ending: str = "challenge", answer: str = "approve"
    ) -> PaymentOrder:
        form = self.start(order, ending)
        response = self.return_from_issuer(form, self.answer_challenge(form, answer))
        assert response.status_code == 303
        found = PaymentOrder.objects.get(
            gateway_operation_id=form.fields["transactionId"]
        )
        return found
