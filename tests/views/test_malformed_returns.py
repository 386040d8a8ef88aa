"""Malformed returns, and a defect during one: always the same redirect."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from nexi_payments import flows
from nexi_payments.models import PaymentOrder
from nexi_payments.simulator import Simulator
from tests.support.shopper import Shopper, new_order

pytestmark = pytest.mark.django_db(transaction=True)


URLENCODED = "application/x-www-form-urlencoded"


def test_an_unknown_order_answers_the_same_redirect(
    db: None, gateway: Simulator
) -> None:
    response = Client(HTTP_HOST="127.0.0.1:8000").post(
        "/payments/return/0123/token/", {"PaRes": "x"}
    )
    assert response.status_code == 303
    assert response["Location"] == "/payments/result/0123/"
    assert sum(gateway.counts.values()) == 0


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"PaRes=" + b"x" * 3_000_000, URLENCODED),
        (b"&".join(b"a%d=1" % n for n in range(2000)), URLENCODED),
        (b"broken", "multipart/form-data; boundary="),
        (b"{}", "application/json"),
    ],
    ids=["huge", "many fields", "broken", "JSON"],
)
def test_a_post_that_no_bank_sends_answers_the_same_redirect(
    shopper: Shopper, caplog: Any, body: bytes, content_type: str
) -> None:
    form = shopper.start(new_order())
    client = Client(HTTP_HOST="127.0.0.1:8000")
    response = client.post(form.path, body, content_type=content_type)
    assert response.status_code == 303
    assert PaymentOrder.objects.get().operations.count() == 1
    assert form.path.split("/")[-2] not in caplog.text


def test_a_defect_behind_the_return_shows_no_error_page(
    shopper: Shopper, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    form = shopper.start(new_order())

    def broken(*args: Any, **kwargs: Any) -> None:
        raise RuntimeError("defect")

    monkeypatch.setattr(flows, "resume_payment", broken)
    assert (
        shopper.return_from_issuer(form, shopper.answer_challenge(form)).status_code
        == 303
    )
    (logged,) = [record.message for record in caplog.records if record.exc_info]
    assert logged.endswith("return from 3-D Secure failed")
