"""The steps of a post-charge history by the REST API, inside the step's process."""

from __future__ import annotations

import json
import os
from decimal import Decimal
from typing import Any, Final

from django.test import Client

from nexi_payments.models import Operation

_ORDERS: Final = "/api/payments/orders/"


def post(path: str, amount: Decimal | None, capture: Operation | None, key: str) -> str:
    """Posts to ``path``; the outcome of the operation, or the code of the refusal.

    ``key`` is the Idempotency-Key. An answer that the API does not document is an
    exception.
    """
    body: dict[str, Any] = {}
    if amount is not None:
        body["amount"] = str(amount)
    if capture is not None:
        body["capture"] = capture.pk
    client = Client(HTTP_HOST="127.0.0.1")
    client.cookies["sessionid"] = os.environ["HISTORIES_SESSION"]
    answer = client.post(
        f"{_ORDERS}{path}/",
        json.dumps(body),
        content_type="application/json",
        headers={"Idempotency-Key": key},
    )
    found = answer.json()
    if answer.status_code == 200:
        made = found.get("operation", {})
        return f"{made.get('amount', '')} {made.get('outcome', '')}".strip()
    if answer.status_code not in (409, 503):
        raise AssertionError(f"{answer.status_code} {found}")
    return str(found["code"])
