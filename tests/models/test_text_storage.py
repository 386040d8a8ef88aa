"""Texts with characters that a database cannot store are refused with a sentence,
before anything is written or sent. ``tests/hosts`` does it on such a database."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connections

from nexi_payments import flows
from nexi_payments.exceptions import CardDataNotAllowed, UnstorableText
from nexi_payments.models import Operation, PaymentOrder, text_storage
from nexi_payments.simulator import Simulator
from tests.support.api_clients import PURCHASE, ShopServer, assert_problem
from tests.support.clerk import Clerk
from tests.support.shopper import Shopper, new_order

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.seen_on("sqlite"),
]
CUP = "Giulia \U0001f375"


@pytest.fixture
def three_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a server whose tables are utf8mb3."""
    monkeypatch.setattr(text_storage, "_charset", lambda alias: "utf8mb3")
    real = text_storage.connections

    class Connections:
        def __getitem__(self, alias: str) -> Any:
            return type("C", (), {"vendor": "mysql", "alias": alias})

    monkeypatch.setattr(text_storage, "connections", Connections())
    assert real is connections


@pytest.mark.parametrize(
    ("charset", "fits", "fits_not"),
    [
        ("utf8mb4", "é Ω 漢 \U0001f375", ""),
        ("utf8mb3", "é Ω 漢", "\U0001f375"),
        ("latin1", "é €", "Ω"),
        ("ascii", "e", "é"),
        ("ucs2", "é Ω 漢", "\U0001f375"),
    ],
)
def test_what_a_character_set_stores(charset: str, fits: str, fits_not: str) -> None:
    assert all(text_storage._fits(one, charset) for one in fits)
    assert not any(text_storage._fits(one, charset) for one in fits_not)


@pytest.mark.parametrize("text", ["a\x00b", "a\ud800b"])
def test_what_no_database_stores(text: str) -> None:
    assert text_storage.unstorable_character(text) == text[1]
    for changes in ({"description": text}, {"reference": text}):
        with pytest.raises(UnstorableText) as refused:
            new_order(**changes)
        assert refused.value.character == text[1]
        assert str(refused.value).isascii()
    assert not PaymentOrder.objects.exists()


def test_emoji_are_stored_where_they_can_be(shopper: Shopper) -> None:
    order = new_order(description=CUP, customer={"name": CUP})
    shopper.start(order, cardholder_name=CUP)
    order.refresh_from_db()
    assert (order.description, order.cardholder_name) == (CUP, CUP)


@pytest.mark.usefixtures("three_bytes")
@pytest.mark.parametrize(
    "changes",
    [{"reference": CUP}, {"description": CUP}, {"customer": {"name": CUP}}],
)
def test_create_order(changes: dict[str, Any]) -> None:
    with pytest.raises(UnstorableText, match=r"U\+1F375"):
        new_order(**changes)
    assert not PaymentOrder.objects.exists()


@pytest.mark.usefixtures("three_bytes")
def test_the_card_page(shopper: Shopper, gateway: Simulator) -> None:
    order = new_order()
    page = shopper.submit_card(order, cardholder_name=CUP).content.decode()
    assert "The character \U0001f375 cannot be stored here. Leave it out." in page
    assert gateway.calls == ()
    assert not Operation.objects.exists()


@pytest.mark.usefixtures("three_bytes")
@pytest.mark.parametrize("field", ["reference", "description", "customer_name"])
def test_the_phone_order_desk(gateway: Simulator, field: str) -> None:
    page = Clerk("take_moto").create_order(**{field: CUP}).content.decode()
    assert "The character \U0001f375 cannot be stored here. Leave it out." in page
    assert not PaymentOrder.objects.exists()


@pytest.mark.usefixtures("three_bytes")
def test_the_api(gateway: Simulator) -> None:
    server = ShopServer("add_paymentorder")
    answer = server.post("orders/", {**PURCHASE, "description": CUP})
    assert_problem(answer, 400, "invalid_text")
    assert not PaymentOrder.objects.exists()


@pytest.mark.usefixtures("three_bytes")
def test_the_reason_of_a_refund(shopper: Shopper, gateway: Simulator) -> None:
    order = shopper.pay(new_order())
    calls = len(gateway.calls)
    with pytest.raises(UnstorableText):
        flows.enqueue_refund(order, reason=CUP)
    assert len(gateway.calls) == calls
    assert not order.queued_refunds.exists()


@pytest.mark.usefixtures("three_bytes")
def test_a_card_number_comes_first() -> None:
    with pytest.raises(CardDataNotAllowed):
        new_order(description=f"{CUP} 4349940199004549")
