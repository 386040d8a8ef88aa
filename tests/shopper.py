"""Somebody who pays: enters a card, answers the bank, comes back."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from django.http import HttpResponse
from django.test import Client

from nexi_payments import flows
from nexi_payments.models import PaymentOrder
from nexi_payments.simulator import TEST_CARDS, Simulator

SITE = "http://127.0.0.1:8000"
CARDS = {card.ending: card for card in TEST_CARDS[::-1]}


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


def form_on(response: HttpResponse) -> Form:
    page = response.content.decode()
    action = re.search(r'<form[^>]*action="([^"]*)"', page)
    fields = re.findall(r'type="hidden" name="([^"]+)" value="([^"]*)"', page)
    return Form(
        html.unescape(action[1]) if action else "",
        {name: html.unescape(value) for name, value in fields},
    )


class Shopper:
    def __init__(self, gateway: Simulator, **client: Any) -> None:
        self.gateway = gateway
        self.browser = Client(HTTP_HOST="127.0.0.1:8000", **client)

    def enter(self, order: PaymentOrder, ending: str = "challenge", **changes: str):
        """Posts the card form."""
        card = CARDS[ending]
        fields = {
            "cardholder_name": "Giulia Bianchi",
            "card_number": card.number,
            "expiry": card.expiry,
            "security_code": card.cvv,
        }
        return self.browser.post(order.get_absolute_url(), {**fields, **changes})

    def start(
        self, order: PaymentOrder, ending: str = "challenge", **changes: str
    ) -> Form:
        """Enters a card; the form that leads to the bank."""
        response = self.enter(order, ending, **changes)
        assert response.status_code == 200, response
        form = form_on(response)
        assert list(form.fields) == ["ThreeDsRequest", "ReturnUrl", "transactionId"]
        return form

    def answer(self, form: Form, answer: str = "approve") -> dict[str, str]:
        """What the bank's page makes the browser post back."""
        return self.gateway.challenge(form.fields["transactionId"], answer)

    def come_back(self, form: Form, fields: dict[str, str]) -> HttpResponse:
        """The bank's cross-site POST: no cookies come along."""
        return Client(HTTP_HOST="127.0.0.1:8000").post(form.path, fields)

    def pay(
        self, order: PaymentOrder, ending: str = "challenge", answer: str = "approve"
    ) -> PaymentOrder:
        form = self.start(order, ending)
        response = self.come_back(form, self.answer(form, answer))
        assert response.status_code == 303
        found = PaymentOrder.objects.get(
            gateway_operation_id=form.fields["transactionId"]
        )
        return found
