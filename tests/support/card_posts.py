"""Requests with a known card, to every view that takes one."""

from __future__ import annotations

import json
import uuid
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from asgiref.sync import sync_to_async
from django.conf import settings as django_settings
from django.db import connections
from django.test import AsyncClient, Client

from nexi_payments import flows
from nexi_payments.flows import moto
from tests.support.api_clients import API_ROOT, PURCHASE, PayerClient, ShopServer
from tests.support.canary import AMEX, fields_of
from tests.support.clerk import Clerk, card_url
from tests.support.shopper import new_order

FORM = "application/x-www-form-urlencoded"
CARD = fields_of(AMEX)
SLOTS = range(len(django_settings.MIDDLEWARE) + 1)
PLACES = ["pay", "desk", "verify", "api-pay", "api-moto", "api-card-verifications"]


class Post:
    """A request with a card, by somebody who may send it."""

    def __init__(self, place: str) -> None:
        self.headers: dict[str, str] = {}
        self.browser = Client(HTTP_HOST="127.0.0.1:8000")
        fields: dict[str, str] = {}
        if place == "pay":
            self.path = new_order().get_absolute_url()
        elif place in ("desk", "verify"):
            clerk = Clerk("take_moto", "verify_card")
            self.browser = clerk.browser
            self.path = "/admin/nexi_payments/cardverification/verify/"
            if place == "desk":
                order = moto.create_moto_order(
                    amount=Decimal("12.50"),
                    currency="EUR",
                    reference="R-1",
                    terminal="moto",
                    actor=flows.Actor(clerk.user),
                )
                self.path = card_url(order)
            fields = {"currency": "EUR", "nonce": uuid.uuid4().hex}
        elif place == "api-pay":
            payer = PayerClient(new_order())
            self.headers = payer.headers
            self.path = f"{API_ROOT}checkout/{payer.id}/pay/"
        else:
            server = ShopServer("take_moto", "verify_card")
            self.browser = server.browser
            self.path = API_ROOT + place.removeprefix("api-") + "/"
            fields = PURCHASE if place == "api-moto" else {"currency": "EUR"}
        fields = {**fields, **CARD}  # last: what is cut off is of the card
        self.kind = FORM
        self.body = urlencode(fields).encode()
        if place.startswith("api"):
            self.headers["Idempotency-Key"] = str(uuid.uuid4())
            self.kind = "application/json"
            self.body = json.dumps(fields).encode()
        self.browser.raise_request_exception = False
        self.browser.handler._middleware_chain = None  # loaded anew, as it is set then

    def send(self, **more: Any) -> Any:
        return self.browser.generic(
            "POST", self.path, self.body, self.kind, headers=self.headers, **more
        )

    async def send_async(self, **more: Any) -> Any:
        """On an async server, by somebody who has no cookies."""
        browser = AsyncClient(raise_request_exception=False)
        answer = await browser.generic(
            "POST", self.path, self.body, self.kind, headers=self.headers, **more
        )
        await sync_to_async(connections.close_all)()
        return answer


def broken_in(slot: int, kind: str) -> list[str]:
    around = list(django_settings.MIDDLEWARE)
    around.insert(slot, f"tests.support.failing_middleware.{kind}")
    return around
