"""Clients of the API: a shop's server, and a browser that pays."""

from __future__ import annotations

import itertools
import uuid
from typing import Any

from django.contrib.auth import get_user_model
from django.http import HttpResponse
from django.test import Client

from nexi_payments.api import client_secret
from nexi_payments.models import PaymentOrder
from nexi_payments.testing.forms import card_fields
from tests.support import openapi_validation
from tests.support.clerk import PERMISSIONS, grant

API_ROOT = "/api/payments/"
PURCHASE = {"amount": "12.50", "currency": "EUR", "reference": "R-1"}
#: reviews are for people: the API resolves none
ALL_PERMISSIONS = (
    "add_paymentorder",
    *(name for name in PERMISSIONS if name != "resolve_review"),
)
_names = itertools.count()


class ApiClient:
    """Sends JSON, with a fresh Idempotency-Key each time unless one is given. Each
    answer is held against the description."""

    def __init__(self, **headers: str) -> None:
        self.browser = Client(HTTP_HOST="127.0.0.1:8000", REMOTE_ADDR="10.1.2.3")
        self.headers = headers

    def get(self, path: str, **query: str) -> HttpResponse:
        answer = self.browser.get(API_ROOT + path, query, headers=self.headers)
        return openapi_validation.validate_response("GET", API_ROOT + path, answer)

    def post(self, path: str, body: Any = None, key: str | None = "", **more: Any):
        headers = dict(self.headers)
        if key is not None:
            headers["Idempotency-Key"] = key or str(uuid.uuid4())
        answer = self.browser.post(
            API_ROOT + path,
            {} if body is None else body,
            content_type="application/json",
            headers=headers,
            **more,
        )
        return openapi_validation.validate_response("POST", API_ROOT + path, answer)


class ShopServer(ApiClient):
    """A user of the shop's server, with these permissions; no member of staff."""

    def __init__(self, *permissions: str) -> None:
        super().__init__()
        self.user = get_user_model().objects.create_user(f"server{next(_names)}")
        grant(self.user, *permissions)
        self.browser.force_login(self.user)

    def create(self, **changes: Any) -> dict[str, Any]:
        answer = self.post("orders/", {**PURCHASE, **changes})
        assert answer.status_code == 201, answer.content
        return answer.json()


class PayerClient(ApiClient):
    """A browser with the client secret of one payment."""

    def __init__(self, order: PaymentOrder | dict[str, Any]) -> None:
        if isinstance(order, PaymentOrder):
            self.id, secret = order.order_id, client_secret(order)
        else:
            self.id, secret = order["id"], order["client_secret"]
        super().__init__(**{"X-Client-Secret": secret})

    def get_checkout(self) -> dict[str, Any]:
        answer = self.get(f"checkout/{self.id}/")
        assert answer.status_code == 200, answer.content
        return answer.json()

    def pay(self, ending: str = "challenge", key: str = "", **changes: Any):
        return self.post(
            f"checkout/{self.id}/pay/", card_fields(ending, **changes), key
        )


def assert_problem(answer: HttpResponse, status: int, code: str) -> dict[str, Any]:
    """The body of a refusal, which has the shape of RFC 9457."""
    body = answer.json()
    assert (answer.status_code, body.get("code")) == (status, code), body
    assert answer["Content-Type"] == "application/problem+json"
    assert body["type"] == f"urn:nexi-payments:{code}"
    assert body["status"] == status
    assert body["title"]
    assert body["detail"]
    return body
