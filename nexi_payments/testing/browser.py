"""Somebody who pays: the card page, the form that leads to the bank, the way back."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from django.http import HttpResponseBase
from django.test import Client
from django.urls import Resolver404, resolve, reverse

from nexi_payments.models import PaymentOrder
from nexi_payments.simulator import TEST_CARDS, TestCard

CARDS: Final = {card.ending: card for card in TEST_CARDS[::-1]}
NAME: Final = "Giulia Bianchi"
_HIDDEN: Final = re.compile(r'type="hidden" name="([^"]+)" value="([^"]*)"')


def card_named(name: str) -> TestCard:
    """The test card with this ending."""
    if name not in CARDS:
        raise ValueError(f"no test card {name!r}; there are: {', '.join(CARDS)}")
    return CARDS[name]


@dataclass(frozen=True)
class Challenge:
    """The bank is asking; ``path`` is where the shopper comes back to."""

    order: PaymentOrder
    operation_id: str
    path: str


class Browser:
    """Django's test client over https, logged in as the order's user if it has one.

    ``page`` is what it shows.
    """

    def __init__(self) -> None:
        self.page: Any = None

    def enter(
        self, order: PaymentOrder, name: str, client: Client | None
    ) -> tuple[PaymentOrder, Challenge | None]:
        """Posts the card page. The order may be another attempt at the same purchase;
        the challenge is ``None`` where there is none."""
        card = card_named(name)
        fields = {
            "cardholder_name": order.customer_name or NAME,
            "card_number": card.number,
            "expiry": card.expiry,
            "security_code": card.cvv,
        }
        client = client or _client_of(order)
        self.page = client.post(order.get_absolute_url(), fields, secure=True)
        if self.page.status_code in (403, 404):
            raise AssertionError(
                f"the card page answered {self.page.status_code}: an order with a user"
                " shows to that user only; give that user's client, or none"
            )
        return self._what_became_of(order)

    def _what_became_of(
        self, order: PaymentOrder
    ) -> tuple[PaymentOrder, Challenge | None]:
        form = _form_on(self.page)
        if "transactionId" in form:
            operation = form["transactionId"]
            found = PaymentOrder.objects.get(gateway_operation_id=operation)
            path = urlsplit(form["ReturnUrl"]).path
            return found, Challenge(found, operation, path)
        public_id = _order_in(self.page.headers.get("Location", ""))
        return PaymentOrder.objects.get(public_id=public_id or order.public_id), None

    def come_back(self, challenge: Challenge, fields: dict[str, str]) -> PaymentOrder:
        """The bank's page posts, without cookies; then the browser sees the result."""
        Client().post(challenge.path, fields, secure=True)
        order = PaymentOrder.objects.get(pk=challenge.order.pk)
        result = reverse("nexi_payments:result", args=[order.public_id])
        self.page = _client_of(order).get(result, secure=True)
        return PaymentOrder.objects.get(pk=order.pk)


def _client_of(order: PaymentOrder) -> Client:
    client = Client()
    if order.user is not None:
        client.force_login(order.user)
    return client


def _form_on(page: HttpResponseBase) -> dict[str, str]:
    if page.streaming or page.status_code != 200:
        return {}
    text = getattr(page, "content", b"").decode()
    return {name: html.unescape(value) for name, value in _HIDDEN.findall(text)}


def _order_in(location: str) -> str:
    """The order whose result page an answer leads to."""
    try:
        found = resolve(urlsplit(location).path)
    except Resolver404:
        return ""
    return str(found.kwargs.get("public_id", ""))
