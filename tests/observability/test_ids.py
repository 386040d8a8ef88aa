"""The host's request id goes along; the reconciler signs its passes."""

from __future__ import annotations

import sys
import threading
from typing import Any

import pytest
from django.db import connections
from django.test import RequestFactory
from django.utils import timezone

from nexi_payments import flows, states
from nexi_payments.models import LastPass, Operation, PaymentOrder, database
from nexi_payments.pages import request_id_of
from nexi_payments.simulator import Simulator
from tests.clerk import PERMISSIONS, Clerk, opened, order_page
from tests.shopper import CARDS, Shopper, new_order

pytestmark = pytest.mark.django_db(transaction=True)
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
    assert request_id_of(request) == found


@pytest.mark.parametrize("name", ["request_id", "correlation_id", "id"])
def test_a_request_id_from_a_middleware(name: str) -> None:
    request = RequestFactory().get("/", HTTP_X_REQUEST_ID="of-the-proxy")
    setattr(request, name, "of-the-host")
    assert request_id_of(request) == "of-the-host"
    setattr(request, name, None)
    assert request_id_of(request) == "of-the-proxy"


def test_the_request_id_goes_along(
    gateway: Simulator, shopper: Shopper, lines: Any
) -> None:
    shopper.browser.defaults["HTTP_X_REQUEST_ID"] = "req-1"
    order = new_order()
    form = shopper.start(order)
    shopper.browser.defaults["HTTP_X_REQUEST_ID"] = "req-2"
    shopper.browser.post(form.path, shopper.answer(form))
    order.refresh_from_db()
    assert order.state == states.PAID
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
    order = opened(clerk.open())
    card = CARDS["frictionless"]
    clerk.card(
        order, card_number=card.number, expiry=card.expiry, security_code=card.cvv
    )
    operation = Operation.objects.get()
    assert (operation.kind, operation.request_id) == ("moto", "desk-7")
    page = clerk.read(order_page(order))
    assert "request id <code>desk-7</code>" in page
    assert f"correlation id <code>{operation.correlation_id}</code>" in page


def test_a_whole_pass_is_signed_and_one_order_is_not(
    gateway: Simulator, order: PaymentOrder
) -> None:
    flows.reconcile(order)
    assert not LastPass.objects.exists()
    before = timezone.now()
    flows.reconcile()
    flows.reconcile()
    last = LastPass.objects.get()
    assert last.name == "reconcile"
    assert last.host
    assert before < last.ended_at <= timezone.now()


def test_first_passes_at_the_same_moment(
    gateway: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each sees no row, each writes one: one of them stays."""
    pass_ = sys.modules["nexi_payments.flows.reconcile"]  # the function hides it
    both = threading.Barrier(2)

    class AtOnce:
        @staticmethod
        def atomic() -> Any:
            both.wait(5)
            return database.atomic()

    monkeypatch.setattr(pass_, "database", AtOnce)
    raised: list[Exception] = []

    def run() -> None:
        try:
            pass_._sign()  # type: ignore[attr-defined]
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
    assert LastPass.objects.count() == 1
