"""The host's request id goes along; the reconciler signs its passes."""

from __future__ import annotations

import sys
import threading
from typing import Any

import pytest
from django.db import connections
from django.test import RequestFactory
from django.utils import timezone

from nexi_payments import flows
from nexi_payments.enums import OrderState
from nexi_payments.models import Operation, PaymentOrder
from nexi_payments.models.bookkeeping import Heartbeat
from nexi_payments.models.deadlocks import RetryingQuerySet
from nexi_payments.simulator import Simulator
from nexi_payments.web.client_info import get_request_id
from tests.support.clerk import PERMISSIONS, Clerk, order_from_redirect, order_url
from tests.support.shopper import CARDS, Shopper, new_order

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.seen_on("sqlite", "postgresql"),
]
PAN = CARDS["challenge"].number


@pytest.mark.parametrize(
    ("header", "found"),
    [
        ("7f3a-43:b/x+y=1._", "7f3a-43:b/x+y=1._"),
        ("x" * 64, "x" * 64),
        ("x" * 65, ""),
        ("two words", ""),
        ("line\nbreak", ""),
        ("é", ""),
        (PAN, ""),
        (f"id-{PAN}", ""),
        ("-".join(PAN[i : i + 4] for i in range(0, 16, 4)), ""),
        ("", ""),
    ],
)
def test_a_request_id_from_the_header(header: str, found: str) -> None:
    request = RequestFactory().get("/", HTTP_X_REQUEST_ID=header)
    assert get_request_id(request) == found


@pytest.mark.parametrize("name", ["request_id", "correlation_id", "id"])
def test_a_request_id_from_a_middleware(name: str) -> None:
    request = RequestFactory().get("/", HTTP_X_REQUEST_ID="of-the-proxy")
    setattr(request, name, "of-the-host")
    assert get_request_id(request) == "of-the-host"
    setattr(request, name, None)
    assert get_request_id(request) == "of-the-proxy"


def test_the_request_id_goes_along(
    gateway: Simulator, shopper: Shopper, lines: Any
) -> None:
    shopper.browser.defaults["HTTP_X_REQUEST_ID"] = "req-1"
    order = new_order()
    form = shopper.start(order)
    shopper.browser.defaults["HTTP_X_REQUEST_ID"] = "req-2"
    shopper.browser.post(form.path, shopper.answer_challenge(form))
    order.refresh_from_db()
    assert order.state == OrderState.PAID
    ids = list(Operation.objects.values_list("kind", "request_id"))
    assert ids == [
        ("authentication", "req-1"),
        ("validation", "req-2"),
        ("payment", "req-2"),
    ]
    assert lines()[0].request_id == "req-1"
    assert lines()[-1].request_id == "req-2"
    assert "req-2" not in str(gateway.record(order.order_id))


def test_staff_see_it_beside_the_other_ids(gateway: Simulator) -> None:
    clerk = Clerk(*PERMISSIONS, headers={"X-Request-ID": "desk-7"})
    order = order_from_redirect(clerk.create_order())
    card = CARDS["frictionless"]
    clerk.submit_card(
        order, card_number=card.number, expiry=card.expiry, security_code=card.cvv
    )
    operation = Operation.objects.get()
    assert (operation.kind, operation.request_id) == ("moto", "desk-7")
    page = clerk.get_text(order_url(order))
    assert "request id <code>desk-7</code>" in page
    assert f"correlation id <code>{operation.correlation_id}</code>" in page


def test_a_whole_pass_is_signed_and_one_order_is_not(
    gateway: Simulator, order: PaymentOrder
) -> None:
    flows.reconcile(order)
    assert not Heartbeat.objects.exists()
    before = timezone.now()
    flows.reconcile()
    flows.reconcile()
    last = Heartbeat.objects.get()
    assert last.name == "reconcile"
    assert last.host
    assert before < last.ended_at <= timezone.now()


def test_first_passes_at_the_same_moment(
    gateway: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each sees no row, each writes one: one of them stays."""
    pass_ = sys.modules["nexi_payments.flows.reconcile"]  # the function hides it
    both = threading.Barrier(2)

    looked: set[int] = set()
    real = RetryingQuerySet.get

    def look_together(rows: Any, **where: Any) -> Any:
        try:
            return real(rows, **where)
        finally:
            if threading.get_ident() not in looked:
                looked.add(threading.get_ident())
                both.wait(5)

    monkeypatch.setattr(RetryingQuerySet, "get", look_together)
    raised: list[Exception] = []

    def run() -> None:
        try:
            pass_._write_heartbeat()  # type: ignore[attr-defined]
        except Exception as error:
            raised.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert raised == []
    assert Heartbeat.objects.count() == 1
