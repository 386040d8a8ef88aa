"""A shopper: card page, redirect to the issuer, return to the shop."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

from django.http import HttpResponseBase
from django.test import Client
from django.urls import Resolver404, resolve, reverse

from nexi_payments.models import PaymentOrder
from nexi_payments.simulator import TEST_CARDS, TestCard

CARDS: Final = {card.ending: card for card in TEST_CARDS[::-1]}
CARDHOLDER_NAME: Final = "Giulia Bianchi"
_HIDDEN: Final = re.compile(r'type="hidden" name="([^"]+)" value="([^"]*)"')


def card_by_ending(name: str) -> TestCard:
    """Return the test card with this ending. Raises ``ValueError`` if unknown."""
    if name not in CARDS:
        raise ValueError(f"no test card {name!r}; there are: {', '.join(CARDS)}")
    return CARDS[name]


@dataclass(frozen=True)
class Challenge:
    """Open 3-D Secure challenge. ``path`` is the return URL's path."""

    order: PaymentOrder
    operation_id: str
    path: str


class ShopperBrowser:
    """Django's test client over https, logged in as the order's user if there is one.

    ``page`` is the last response.
    """

    def __init__(self) -> None:
        self.page: Any = None

    def submit_card(
        self, order: PaymentOrder, name: str, client: Client | None
    ) -> tuple[PaymentOrder, Challenge | None]:
        """Post the card page. Return the order and the challenge, if there is one.

        The order may be another attempt of the same purchase."""
        card = card_by_ending(name)
        fields = {
            "cardholder_name": order.customer_name or CARDHOLDER_NAME,
            "card_number": card.number,
            "expiry": card.expiry,
            "security_code": card.cvv,
        }
        client = client or _client_for(order)
        # as a browser posts a form; the test client's default is multipart
        self.page = client.post(
            order.page_url(),
            urlencode(fields),
            content_type="application/x-www-form-urlencoded",
            secure=True,
        )
        if self.page.status_code in (403, 404):
            raise AssertionError(
                f"the card page returned {self.page.status_code}: an order with a user"
                " shows to that user only; give that user's client, or none"
            )
        return self._result_of_post(order)

    def _result_of_post(
        self, order: PaymentOrder
    ) -> tuple[PaymentOrder, Challenge | None]:
        form = _hidden_fields(self.page)
        if "transactionId" in form:
            operation = form["transactionId"]
            found = PaymentOrder.objects.get(gateway_operation_id=operation)
            path = urlsplit(form["ReturnUrl"]).path
            return found, Challenge(found, operation, path)
        public_id = _public_id_in(self.page.headers.get("Location", ""))
        return PaymentOrder.objects.get(public_id=public_id or order.public_id), None

    def return_from_issuer(
        self, challenge: Challenge, fields: dict[str, str]
    ) -> PaymentOrder:
        """Post the issuer's result without cookies, then get the result page."""
        Client().post(challenge.path, fields, secure=True)
        order = PaymentOrder.objects.get(pk=challenge.order.pk)
        result = reverse("nexi_payments:result", args=[order.public_id])
        self.page = _client_for(order).get(result, secure=True)
        return PaymentOrder.objects.get(pk=order.pk)


def _client_for(order: PaymentOrder) -> Client:
    client = Client()
    if order.user is not None:
        client.force_login(order.user)
    return client


def _hidden_fields(page: HttpResponseBase) -> dict[str, str]:
    if page.streaming or page.status_code != 200:
        return {}
    text = getattr(page, "content", b"").decode()
    return {name: html.unescape(value) for name, value in _HIDDEN.findall(text)}


def _public_id_in(location: str) -> str:
    """Return the public id of the order whose result page is at ``location``."""
    try:
        found = resolve(urlsplit(location).path)
    except Resolver404:
        return ""
    return str(found.kwargs.get("public_id", ""))
