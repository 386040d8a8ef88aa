"""Under other people's settings: transactions, login walls, strict cookies."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.db import connection
from django.test import Client
from django.utils import translation

from nexi_payments.enums import OrderState
from nexi_payments.models import PaymentOrder
from nexi_payments.simulator import Simulator
from tests.support.clerk import ORDERS_URL, PERMISSIONS, Clerk
from tests.support.shopper import Shopper, new_order

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def atomic_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)


@pytest.mark.urls("tests.support.urls_i18n")
def test_addresses_that_begin_with_a_language(
    shopper: Shopper, gateway: Simulator
) -> None:
    """The language of the shop, whatever the browser's: on the way to the bank and
    back, which has no cookie."""
    with translation.override("it"):
        order = new_order(success_url="/grazie/")
        card = order.page_url()
        form = shopper.start(order)
    assert card == f"/it/payments/pay/{order.public_id}/"
    assert "Paga con carta" in shopper.browser.get(card).content.decode()
    assert form.path.startswith(f"/it/payments/return/{order.public_id}/")
    answer: Any = shopper.return_from_issuer(form, shopper.answer_challenge(form))
    assert answer["Location"] == f"/it/payments/result/{order.public_id}/"
    order.refresh_from_db()
    assert order.state == OrderState.PAID


@pytest.mark.parametrize("ending", ["frictionless", "declined", "garbage"])
def test_atomic_requests(
    atomic_requests: None, shopper: Shopper, gateway: Simulator, ending: str
) -> None:
    open_while_calling: list[bool] = []
    handle = gateway.handle

    def watching(*args: Any) -> Any:
        open_while_calling.append(connection.in_atomic_block)
        return handle(*args)

    gateway.handle = watching  # type: ignore[method-assign]
    order = shopper.pay(new_order(), ending)
    assert order.state in (OrderState.PAID, OrderState.FAILED, OrderState.PAYING)
    assert len(open_while_calling) >= 3
    assert not any(open_while_calling)


def test_staff_under_atomic_requests(
    atomic_requests: None, shopper: Shopper, gateway: Simulator
) -> None:
    open_while_calling: list[bool] = []
    handle = gateway.handle

    def watching(*args: Any) -> Any:
        open_while_calling.append(connection.in_atomic_block)
        return handle(*args)

    clerk = Clerk(*PERMISSIONS)
    held = shopper.pay(new_order(terminal="manual"))
    gateway.handle = watching  # type: ignore[method-assign]
    order = clerk.take_phone_order("frictionless")
    sure = {"amount": "2.00", "expected_remaining": "12.50", "confirmed": "1"}
    for path in (
        f"{ORDERS_URL}{order.pk}/refund/",
        f"{ORDERS_URL}{held.pk}/capture/",
        f"{ORDERS_URL}{order.pk}/inquire/",
    ):
        assert clerk.post(path, **sure).status_code == 302
    order.refresh_from_db()
    held.refresh_from_db()
    assert (order.refunded_amount, held.captured_amount) == (200, 200)
    other = shopper.pay(new_order(terminal="manual"))
    sure["amount"] = "12.50"
    assert clerk.post(f"{ORDERS_URL}{other.pk}/void/", **sure).status_code == 302
    other.refresh_from_db()
    assert other.state == OrderState.VOIDED
    review = {"state": "failed", "reason": "seen"}
    PaymentOrder.objects.filter(pk=other.pk).update(state=OrderState.REVIEW)
    assert clerk.post(f"{ORDERS_URL}{other.pk}/resolve/", **review).status_code == 302
    assert len(open_while_calling) >= 8
    assert not any(open_while_calling)


def test_no_transaction_is_open_while_the_gateway_is_asked(
    shopper: Shopper, gateway: Simulator
) -> None:
    """Seen from the database: a second connection can write meanwhile."""
    import threading

    written: list[int] = []
    handle = gateway.handle

    def write() -> None:
        written.append(PaymentOrder.objects.update(description="seen"))
        connection.close()

    def watching(*args: Any) -> Any:
        thread = threading.Thread(target=write)
        thread.start()
        thread.join(timeout=5)
        assert not thread.is_alive()
        return handle(*args)

    gateway.handle = watching  # type: ignore[method-assign]
    shopper.pay(new_order())
    assert written == [1, 1, 1]


def test_login_required_middleware(shopper: Shopper, settings: Any) -> None:
    settings.MIDDLEWARE = [
        *settings.MIDDLEWARE,
        "django.contrib.auth.middleware.LoginRequiredMiddleware",
    ]
    shopper.browser = Client(HTTP_HOST="127.0.0.1:8000")  # middleware as set now
    order = shopper.pay(new_order())
    assert order.state == OrderState.PAID
    for name in ("result", "status"):
        url = f"/payments/{name}/{order.public_id}/"
        assert shopper.browser.get(url).status_code == 200


def test_strict_session_cookies_get_a_landing_page(
    shopper: Shopper, settings: Any
) -> None:
    settings.SESSION_COOKIE_SAMESITE = "Strict"
    form = shopper.start(new_order())
    response = shopper.return_from_issuer(form, shopper.answer_challenge(form))
    assert response.status_code == 200
    page = response.content.decode()
    order = PaymentOrder.objects.get()
    target = f"/payments/result/{order.public_id}/"
    assert f'content="0; url={target}"' in page
    assert f'href="{target}"' in page
    assert not response.cookies
    assert order.state == OrderState.PAID
    token = form.path.split("/")[-2]
    assert token not in page


def test_a_logged_in_session_survives_the_return(
    shopper: Shopper, django_user_model: Any
) -> None:
    user = django_user_model.objects.create_user("u")
    shopper.browser.force_login(user)
    form = shopper.start(new_order(user=user))
    before = shopper.browser.cookies[django_settings.SESSION_COOKIE_NAME].value
    response = shopper.return_from_issuer(form, shopper.answer_challenge(form))
    assert not response.cookies
    assert shopper.browser.get(response["Location"]).status_code == 200
    after = shopper.browser.cookies[django_settings.SESSION_COOKIE_NAME].value
    assert after == before


def test_templates_are_overridable_block_by_block(
    shopper: Shopper, settings: Any, tmp_path: Any
) -> None:
    own = tmp_path / "nexi_payments"
    own.mkdir()
    (own / "base.html").write_text(
        "<html>OWN LOOK {% block content %}{% endblock %}</html>"
    )
    settings.TEMPLATES = [{**settings.TEMPLATES[0], "DIRS": [str(tmp_path)]}]
    page = shopper.browser.get(new_order().page_url()).content.decode()
    assert "OWN LOOK" in page
    assert re.search(r'name="card_number"', page)
