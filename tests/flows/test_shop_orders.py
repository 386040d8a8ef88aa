"""``REFERENCE_LOOKUP``: phone orders are compared with the shop's."""

from __future__ import annotations

import logging
from collections.abc import Callable
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth import get_user_model

from nexi_payments import flows
from nexi_payments.exceptions import (
    CardDataNotAllowed,
    InvalidReference,
    ShopOrderDiffers,
    ShopOrderError,
    ShopOrderUnavailable,
    ShopOrderUnknown,
)
from nexi_payments.flows import shop_orders
from nexi_payments.models import PaymentOrder
from nexi_payments.simulator import Simulator
from tests.support.lookups import CUPS, SHOP, Shop, lookups  # noqa: F401

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def shop(lookups: Shop) -> Shop:  # noqa: F811
    return lookups


def create(reference: object = "R-1", **changes: Any) -> PaymentOrder:
    facts = {
        "amount": Decimal("12.50"),
        "currency": "EUR",
        "terminal": "moto",
        "actor": flows.Actor(),
    }
    return flows.create_moto_order(reference=reference, **{**facts, **changes})


def test_what_the_shop_knows_comes_along(shop: Shop, gateway: Simulator) -> None:
    user = get_user_model().objects.create_user("giulia")
    shop.orders["R-1"] = flows.ShopOrder(
        amount=Decimal("12.50"),
        currency="EUR",
        description="Three cups",
        customer={
            "name": "Giulia",
            "email": "g@shop.example",
            "home_phone": "+39 02 1",
        },
        user=user,
        content_object=user,
    )
    clerk = get_user_model().objects.create_user("clerk")
    order = create(actor=flows.Actor(user=clerk), customer={"name": "G. Bianchi"})
    order = PaymentOrder.objects.get(pk=order.pk)
    assert (order.user, order.clerk, order.content_object) == (user, clerk, user)
    assert order.description == "Three cups"
    # what the clerk has typed goes before it
    assert (order.customer_name, order.customer_email) == (
        "G. Bianchi",
        "g@shop.example",
    )
    assert "homePhone" in order.details.customer_info or order.details.omitted
    assert shop.asked == [("R-1", "moto", clerk)]
    assert gateway.calls == ()


def test_the_clerks_description_goes_before_the_shops(shop: Shop) -> None:
    shop.orders["R-1"] = CUPS
    assert create(description="One cup").description == "One cup"


def test_a_reference_of_another_type_is_looked_up_as_text(shop: Shop) -> None:
    shop.orders["12345"] = CUPS
    assert create(12345).description == "Three cups"
    assert [asked[0] for asked in shop.asked] == ["12345"]


def differing(shop: Shop, problem: type[ShopOrderError]) -> None:
    if problem is ShopOrderDiffers:
        shop.orders["R-1"] = flows.ShopOrder(Decimal("25.00"), "EUR", "Ten cups")
    if problem is ShopOrderUnavailable:
        shop.failure = LookupError("away")


PROBLEMS = pytest.mark.parametrize(
    ("problem", "difference"),
    [
        (ShopOrderUnknown, "ShopOrderUnknown R-1"),
        (ShopOrderDiffers, "ShopOrderDiffers R-1 1250 EUR 2500 EUR"),
        (ShopOrderUnavailable, "ShopOrderUnavailable R-1"),
    ],
)


@PROBLEMS
def test_a_difference_has_to_be_accepted_by_its_name(
    shop: Shop, problem: type[ShopOrderError], difference: str
) -> None:
    differing(shop, problem)
    for accepted in ("", "ShopOrderDiffers R-1 1250 EUR 2499 EUR", "ShopOrderUnknown"):
        with pytest.raises(problem) as caught:
            create(accepted_difference=accepted)
        assert caught.value.difference == difference
    assert not PaymentOrder.objects.exists()
    assert create(accepted_difference=difference).amount == 1250


@PROBLEMS
def test_servers_are_not_asked_to_accept(
    shop: Shop, problem: type[ShopOrderError], difference: str
) -> None:
    differing(shop, problem)
    assert create().amount == 1250


@PROBLEMS
def test_strict_refuses_whatever_is_accepted(
    shop: Shop, change_settings: Any, problem: type[ShopOrderError], difference: str
) -> None:
    change_settings(REFERENCE_LOOKUP_STRICT=True)
    differing(shop, problem)
    for accepted in (None, "", difference):
        with pytest.raises(problem):
            create(accepted_difference=accepted)
    assert not PaymentOrder.objects.exists()


def test_an_accepted_difference_still_brings_the_shops_row(shop: Shop) -> None:
    user = get_user_model().objects.create_user("any row of the shop")
    shop.orders["R-1"] = flows.ShopOrder(Decimal(25), "EUR", content_object=user)
    assert create().content_object == user


@pytest.mark.parametrize(
    ("amount", "currency", "theirs"),
    [
        (Decimal("12.51"), "EUR", (1251, "EUR")),
        (Decimal("12.50"), "USD", (1250, "USD")),
        (Decimal(0), "EUR", (0, "EUR")),
    ],
)
def test_another_amount_or_currency_differs(
    shop: Shop, amount: Decimal, currency: str, theirs: tuple[int, str]
) -> None:
    shop.orders["R-1"] = flows.ShopOrder(amount, currency)
    with pytest.raises(ShopOrderDiffers) as caught:
        create(accepted_difference="")
    assert caught.value.amounts == ((1250, "EUR"), theirs)
    assert not PaymentOrder.objects.exists()


def unsaved() -> Any:
    return get_user_model()(username="not saved")


@pytest.mark.parametrize(
    "make",
    [
        lambda: {"amount": 1},
        lambda: "R-1",
        lambda: flows.ShopOrder(12.5, "EUR"),  # type: ignore[arg-type]
        lambda: flows.ShopOrder(Decimal(-1), "EUR"),
        lambda: flows.ShopOrder(Decimal(1), "XXX"),
        lambda: flows.ShopOrder(Decimal(0), "XXX"),
        lambda: flows.ShopOrder(Decimal(1)),
        lambda: flows.ShopOrder(Decimal(1), "EUR", customer={"nmae": "x"}),
        lambda: flows.ShopOrder(Decimal(1), "EUR", customer={"email": "no"}),
        lambda: flows.ShopOrder(Decimal(1), "EUR", "4349 9401 9900 4549"),
        lambda: flows.ShopOrder(Decimal(1), "EUR", content_object=unsaved()),
    ],
)
def test_an_answer_that_is_none_is_logged_and_confirms_nothing(
    shop: Shop, caplog: pytest.LogCaptureFixture, make: Callable[[], Any]
) -> None:
    shop.orders["R-1"] = make()
    with pytest.raises(ShopOrderUnavailable):
        create(accepted_difference="")
    [record] = [one for one in caplog.records if one.levelno == logging.ERROR]
    assert record.getMessage() == "REFERENCE_LOOKUP failed for reference R-1"
    assert not PaymentOrder.objects.exists()


def test_the_error_does_not_carry_the_shops(shop: Shop) -> None:
    shop.failure = LookupError("password of the shop's database")
    with pytest.raises(ShopOrderUnavailable) as caught:
        create(accepted_difference="")
    assert caught.value.__context__ is None
    assert caught.value.__cause__ is None


def test_the_same_form_twice_asks_the_shop_once(shop: Shop) -> None:
    shop.orders["R-1"] = CUPS
    nonce = uuid4().hex
    first = create(nonce=nonce, accepted_difference="")
    shop.orders.clear()
    assert create(nonce=nonce, accepted_difference="") == first
    assert len(shop.asked) == 1


def test_without_the_setting_nothing_is_asked(gateway: Simulator) -> None:
    assert create(accepted_difference="").amount == 1250
    assert SHOP.asked == []
    assert shop_orders.look_up("R-1", terminal="moto") is None


def test_the_shop_never_sees_a_card_number(shop: Shop) -> None:
    with pytest.raises(CardDataNotAllowed):
        shop_orders.look_up("4349 9401 9900 4549", terminal="moto")
    with pytest.raises(InvalidReference):
        shop_orders.look_up("x" * 101, terminal="moto")
    assert shop.asked == []
