"""The shop's captcha stands between a guest and the limit over all shoppers."""

from __future__ import annotations

from typing import Any

import pytest
from django.http import HttpRequest

from nexi_payments.models import PaymentOrder
from nexi_payments.models.bookkeeping import IdempotencyRecord
from nexi_payments.simulator import Simulator
from tests.support.api_clients import PayerClient, assert_problem
from tests.support.shopper import CARDS, Shopper, new_order

pytestmark = pytest.mark.django_db(transaction=True)

INIT = "POST /orders/3steps/init"
PAGE = "/are-you-human/"
asked: list[str] = []


def page_or_cookie(request: Any, order: PaymentOrder) -> str | None:
    """A shop's function, as in docs/hooks.md: of Django's request, or of the API's."""
    asked.append(order.order_id)
    inner = request if isinstance(request, HttpRequest) else request._request
    passed = "human" in request.COOKIES or inner.headers.get("X-Captcha") == "right"
    return None if passed else PAGE


def broken(request: Any, order: PaymentOrder) -> str | None:
    raise KeyError(request.POST["card_number"])


def no_url(request: Any, order: PaymentOrder) -> Any:
    return False


@pytest.fixture(autouse=True)
def attacked(gateway: Simulator, change_settings: Any) -> None:
    """One more declined card would be too many."""
    asked.clear()
    change_settings(
        RATE_LIMITS={"everyone": (1, 600)}, CAPTCHA=f"{__name__}.page_or_cookie"
    )
    Shopper(gateway).pay(new_order(), "declined")
    assert asked == []  # not while nobody tests cards


def test_a_guest_passes_the_captcha_and_pays(
    shopper: Shopper, gateway: Simulator
) -> None:
    order = new_order()
    answer = shopper.submit_card(order)
    assert (answer.status_code, answer["Location"]) == (303, PAGE)
    assert gateway.count(INIT) == 1
    order.refresh_from_db()
    assert (order.state, order.card_last4, order.attempted_at) == ("init", "", None)
    shopper.browser.cookies["human"] = "yes"
    assert shopper.pay(order).state == "paid"
    assert asked == [order.order_id] * 2


def test_after_a_decline_no_attempt_is_created(
    shopper: Shopper, gateway: Simulator
) -> None:
    failed = PaymentOrder.objects.get(state="failed")
    assert shopper.submit_card(failed)["Location"] == PAGE
    assert PaymentOrder.objects.count() == 1


def test_the_api_names_the_captcha(gateway: Simulator) -> None:
    payer = PayerClient(new_order())
    body = assert_problem(payer.pay(key="the-first"), 403, "captcha_required")
    assert body["captcha_url"] == PAGE
    assert gateway.count(INIT) == 1
    assert not IdempotencyRecord.objects.exists()
    payer.headers["X-Captcha"] = "wrong"
    assert_problem(payer.pay(key="the-first"), 403, "captcha_required")
    payer.headers["X-Captcha"] = "right"
    assert payer.pay(key="the-first").json()["next_action"]["type"] == "redirect"
    assert gateway.count(INIT) == 2


@pytest.mark.parametrize("function", ["broken", "no_url", "is_missing"])
def test_a_captcha_that_does_not_work_lets_nobody_pass(
    shopper: Shopper,
    gateway: Simulator,
    change_settings: Any,
    caplog: pytest.LogCaptureFixture,
    function: str,
) -> None:
    change_settings(
        RATE_LIMITS={"everyone": (1, 600)}, CAPTCHA=f"{__name__}.{function}"
    )
    answer = shopper.submit_card(new_order())
    assert (answer.status_code, answer["Retry-After"]) == (429, "600")
    assert gateway.count(INIT) == 1
    assert "CAPTCHA tests.views.test_captcha" in caplog.text
    assert CARDS["challenge"].number not in caplog.text


def test_no_captcha_lifts_another_limit(
    shopper: Shopper, gateway: Simulator, change_settings: Any
) -> None:
    change_settings(
        RATE_LIMITS={"everyone": (1, 600), "address": (1, 600)},
        CAPTCHA=f"{__name__}.page_or_cookie",
    )
    shopper.browser.cookies["human"] = "yes"
    assert shopper.submit_card(new_order()).status_code == 429
    assert gateway.count(INIT) == 1
    assert asked == []
