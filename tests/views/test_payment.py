"""The shopper's pages: headers, who may see what, and what they say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.test import Client
from django.urls import get_resolver
from django.utils import translation

import nexi_payments
from nexi_payments.enums import OrderState
from nexi_payments.models import PaymentOrder
from nexi_payments.simulator import Simulator
from tests.base_settings import without
from tests.support.shopper import Shopper, new_order, parse_form

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.seen_on("sqlite", "postgresql"),
]

STATIC = Path(nexi_payments.__file__).parent / "static/nexi_payments"
CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self';"
    " font-src 'self'; connect-src 'self'; form-action 'self';"
    " frame-ancestors 'none'; base-uri 'none'; require-trusted-types-for 'script';"
    " report-uri /payments/csp-report/"
)


def test_headers_of_every_page(shopper: Shopper) -> None:
    order = new_order()
    card = shopper.browser.get(order.page_url())
    redirect = shopper.submit_card(order)
    result = shopper.browser.get(f"/payments/result/{order.public_id}/")
    status = shopper.browser.get(f"/payments/status/{order.public_id}/")
    missing = shopper.browser.get("/payments/pay/0/")
    for response in (card, redirect, result, status, missing):
        assert response["Cache-Control"] == "private, no-store"
        assert response["X-Frame-Options"] == "DENY"
        assert response["X-Content-Type-Options"] == "nosniff"
        assert "camera=(), " in response["Permissions-Policy"]
        assert ", payment=(), " in response["Permissions-Policy"]
    bare = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'"
    for response in (card, result, status, missing):
        policy = bare if response is status else CSP
        assert response["Content-Security-Policy"] == policy
        assert response["Referrer-Policy"] == "same-origin"
    assert redirect["Referrer-Policy"] == "strict-origin-when-cross-origin"
    assert redirect["Content-Security-Policy"] == CSP.replace(
        "form-action 'self'", "form-action https: http://localhost:8000"
    )


def test_assets_from_elsewhere_are_allowed(shopper: Shopper, settings: Any) -> None:
    settings.STATIC_URL = "https://cdn.example/s/"
    response = shopper.browser.get(new_order().page_url())
    assert (
        "script-src 'self' https://cdn.example;" in response["Content-Security-Policy"]
    )


def test_no_inline_script_or_style_anywhere(shopper: Shopper) -> None:
    order = new_order()
    pages = [
        shopper.browser.get(order.page_url()),
        shopper.submit_card(order),
        shopper.browser.get(f"/payments/result/{order.public_id}/"),
    ]
    for response in pages:
        page = response.content.decode()
        assert "<style" not in page
        assert " style=" not in page
        assert page.count("<script") == page.count("<script src=")
        assert " on" not in page.split("<body", 1)[1].split("onfirm")[0].split("<p")[0]


def test_our_scripts_store_nothing_and_write_no_markup() -> None:
    words = ("Storage", "indexedDB", "cookie", "HTML", "document.write", "eval(")
    scripts = sorted(STATIC.glob("*.js"))
    assert scripts[0].name == "card.js"
    for path in scripts:
        text = path.read_text()
        assert [word for word in words if word in text] == [], path.name


def test_paid_goes_to_the_shop(shopper: Shopper) -> None:
    order = shopper.pay(new_order(success_url="/thanks/?a=1&b=#top"))
    response = shopper.browser.get(f"/payments/result/{order.public_id}/")
    assert response.status_code == 303
    assert response["Location"] == f"/thanks/?a=1&b=&payment={order.order_id}#top"


@pytest.mark.parametrize(
    ("ending", "terminal", "title"),
    [
        ("frictionless", "default", "Payment received"),
        ("frictionless", "manual", "Payment authorized"),
        ("declined", "default", "The card was declined"),
        ("lost_card", "default", "The card was declined"),
        ("validation_failed", "default", "Your bank did not confirm the payment"),
        ("garbage", "default", "We are checking your payment"),
    ],
)
def test_what_the_result_page_says(
    shopper: Shopper, ending: str, terminal: str, title: str
) -> None:
    order = shopper.pay(new_order(terminal=terminal), ending)
    page = shopper.browser.get(f"/payments/result/{order.public_id}/").content.decode()
    assert f">{title}</h1>" in page
    assert ("Nothing has been charged" in page) is (order.state == OrderState.FAILED)
    assert ("do not pay again" in page) is (order.state == OrderState.PAYING)


def result_of(shopper: Shopper, order: PaymentOrder) -> str:
    page = shopper.browser.get(f"/payments/result/{order.public_id}/")
    return page.content.decode()


@pytest.mark.parametrize(
    ("ending", "label"),
    [
        ("declined", "Try another card"),
        ("validation_failed", "Try again or use another card"),
    ],
)
def test_a_decline_says_so_first_and_then_what_to_do(
    shopper: Shopper, ending: str, label: str
) -> None:
    order = shopper.pay(new_order(failure_url="/basket/"), ending)
    page = result_of(shopper, order)
    said = [
        "</h1>",
        "Nothing has been charged.",
        '<p class="nexi-amount">€12.50</p>',
        f'<a class="nexi-button" href="{order.page_url()}">{label}</a>',
        '<a class="nexi-button nexi-quiet" href="/basket/">Back to the shop</a>',
    ]
    places = [page.find(one) for one in said]
    assert -1 not in places
    assert places == sorted(places)


@pytest.mark.parametrize("reason", ["no_liability_shift", "3ds_unavailable"])
def test_the_same_card_is_not_asked_for_again(shopper: Shopper, reason: str) -> None:
    order = shopper.pay(new_order(), "declined")
    PaymentOrder.objects.filter(pk=order.pk).update(reason=reason)
    page = result_of(shopper, order)
    assert f'href="{order.page_url()}">Try another card</a>' in page


@pytest.mark.parametrize("reason", ["superseded", "vetoed"])
def test_no_card_where_none_may_be_tried(shopper: Shopper, reason: str) -> None:
    order = shopper.pay(new_order(failure_url="/basket/"), "declined")
    PaymentOrder.objects.filter(pk=order.pk).update(reason=reason)
    page = result_of(shopper, order)
    assert order.page_url() not in page
    assert 'href="/basket/">Back to the shop</a>' in page


def test_the_card_page_after_a_decline_says_so_above_the_amount(
    shopper: Shopper,
) -> None:
    order = shopper.pay(new_order(), "declined")
    page = shopper.browser.get(order.page_url()).content.decode()
    assert page.index("The card was declined") < page.index("nexi-amount")


def test_an_earlier_attempt_leads_to_the_one_that_paid(shopper: Shopper) -> None:
    first = shopper.pay(new_order(reference="ORD-9"), "declined")
    answer = shopper.browser.get(first.page_url())
    assert answer.status_code == 200  # another card may be tried
    second = shopper.pay(first, "pending_then_paid")
    assert (second.state, second.pk == first.pk) == (OrderState.PAYING, False)
    answer = shopper.browser.get(first.page_url())
    assert (answer.status_code, answer["Location"]) == (
        303,
        f"/payments/result/{second.public_id}/",
    )
    page = shopper.browser.get(answer["Location"]).content.decode()
    assert "We do not know yet whether your card was charged" in page
    assert "card_number" not in page


def test_an_attempt_left_at_the_bank_may_be_paid_from_the_first_page(
    shopper: Shopper,
) -> None:
    first = shopper.pay(new_order(reference="ORD-9"), "declined")
    shopper.start(first)
    answer = shopper.browser.get(first.page_url())
    assert answer.status_code == 200
    assert "card_number" in answer.content.decode()


def test_who_left_the_bank_is_asked_for_the_card(shopper: Shopper) -> None:
    order = new_order()
    shopper.start(order)
    page = shopper.browser.get(f"/payments/result/{order.public_id}/").content.decode()
    assert "Your bank is waiting for you" in page
    assert f'href="{order.page_url()}">Enter your card</a>' in page


def test_the_pending_page_works_without_script(shopper: Shopper) -> None:
    order = shopper.pay(new_order(), "garbage")
    page = shopper.browser.get(f"/payments/result/{order.public_id}/").content.decode()
    assert '<noscript><meta http-equiv="refresh" content="5"></noscript>' in page
    assert f'data-poll="/payments/status/{order.public_id}/"' in page


def test_status(shopper: Shopper) -> None:
    order = new_order()
    url = f"/payments/status/{order.public_id}/"
    assert shopper.browser.get(url).json() == {
        "state": "init",
        "final": False,
        "message": "Not paid yet",
        "next": None,
    }
    shopper.pay(order)
    assert shopper.browser.get(url).json() == {
        "state": "paid",
        "final": True,
        "message": "Payment received",
        "next": f"/payments/result/{order.public_id}/",
    }
    response = shopper.browser.get("/payments/status/0/")
    assert response.status_code == 404
    assert response.json()["state"] == "unknown"


def test_in_italian(shopper: Shopper) -> None:
    order = shopper.pay(new_order(amount="1234.50"), "declined")
    response = shopper.browser.get(
        f"/payments/result/{order.public_id}/", HTTP_ACCEPT_LANGUAGE="it"
    )
    page = response.content.decode()
    assert '<html lang="it"' in page
    assert "La carta è stata rifiutata" in page
    assert "1.234,50" in page


def test_without_djangos_middleware_there_is_one_language(
    shopper: Shopper, settings: Any
) -> None:
    settings.MIDDLEWARE = without(
        settings.MIDDLEWARE, "django.middleware.locale.LocaleMiddleware"
    )
    translation.deactivate()  # what the last request of this thread left
    order, ask = new_order(), {"HTTP_ACCEPT_LANGUAGE": "it"}
    shopper.browser = Client(HTTP_HOST="127.0.0.1:8000")
    page = shopper.browser.get(order.page_url(), **ask).content.decode()
    assert '<html lang="en"' in page
    assert "Pay by card" in page


@pytest.mark.parametrize("with_user", [False, True])
def test_a_shop_with_several_host_names(
    gateway: Simulator, settings: Any, with_user: bool
) -> None:
    """The issuer leads to ``PUBLIC_URL``, where the shopper's session is not: the token
    of the return proves that they paid."""
    settings.ALLOWED_HOSTS = ["it.shop.test", "127.0.0.1"]
    user = get_user_model().objects.create_user("giulia") if with_user else None
    order = new_order(user=user, success_url="https://it.shop.test/thanks/")
    shopper = Shopper(gateway)
    shopper.browser = Client(HTTP_HOST="it.shop.test")
    if user is not None:
        shopper.browser.force_login(user)
    form = shopper.start(order)
    assert form.fields["ReturnUrl"].startswith("http://127.0.0.1:8000/payments/")
    answer = shopper.return_from_issuer(form, shopper.answer_challenge(form))
    order.refresh_from_db()
    assert order.state == "paid"
    result = Client(HTTP_HOST="127.0.0.1:8000").get(answer["Location"])
    thanks = f"https://it.shop.test/thanks/?payment={order.order_id}"
    assert (result.status_code, result["Location"]) == (303, thanks)


def test_an_order_with_a_user_shows_only_to_that_user(gateway: Simulator) -> None:
    owner = get_user_model().objects.create_user("owner")
    other = get_user_model().objects.create_user("other")
    order = new_order(user=owner)
    paths = [
        order.page_url(),
        *(f"/payments/{name}/{order.public_id}/" for name in ("result", "status")),
    ]
    mine, theirs, guest = (Client(HTTP_HOST="127.0.0.1:8000") for _ in range(3))
    mine.force_login(owner)
    theirs.force_login(other)
    for path in paths:
        assert mine.get(path).status_code == 200
        for stranger in (theirs, guest):
            response = stranger.get(path)
            assert response.status_code == 404
            assert b"12.50" not in response.content
    stranger = Shopper(gateway)
    assert stranger.submit_card(order).status_code == 404
    order.refresh_from_db()
    assert order.state == OrderState.INIT
    assert sum(gateway.counts.values()) == 0


def test_only_what_other_sites_post_is_exempt() -> None:
    exempt = [
        pattern.name
        for pattern in get_resolver("nexi_payments.urls").url_patterns
        if getattr(pattern.callback, "csrf_exempt", False)
    ]
    # those without a name: the same without a final slash
    assert exempt == [
        "return",
        "hosted",
        "notify",
        "csp_report",
        "simulator",
        None,
        None,
        None,
    ]


@pytest.mark.parametrize("method", ["put", "delete", "patch"])
def test_other_methods(order: PaymentOrder, method: str) -> None:
    client = Client(HTTP_HOST="127.0.0.1:8000")
    for name in ("pay", "result", "status"):
        url = f"/payments/{name}/{order.public_id}/"
        assert getattr(client, method)(url).status_code == 405


def test_the_return_address_comes_from_the_setting(
    gateway: Simulator, settings: Any
) -> None:
    settings.ALLOWED_HOSTS = ["*"]
    order = new_order()
    evil = Shopper(gateway)
    evil.browser = Client(HTTP_HOST="evil.test", HTTP_X_FORWARDED_HOST="evil.test")
    response = evil.submit_card(order)
    assert parse_form(response).fields["ReturnUrl"].startswith("http://127.0.0.1:8000/")
    assert b"evil" not in response.content


def test_without_the_setting_only_this_machine_is_believed(
    gateway: Simulator, settings: Any, change_settings: Any
) -> None:
    change_settings(PUBLIC_URL="")
    settings.ALLOWED_HOSTS = ["*"]
    for host, site in (
        ("localhost:9000", "http://localhost:9000/"),
        ("[::1]:9000", "http://[::1]:9000/"),
        ("evil.test", "http://127.0.0.1:8000/"),
        ("127.0.0.1.evil.test", "http://127.0.0.1:8000/"),
        ("localhost@evil.test", "http://127.0.0.1:8000/"),
    ):
        shopper = Shopper(gateway)
        shopper.browser = Client(HTTP_HOST=host)
        response = shopper.submit_card(new_order())
        if response.status_code == 200:
            assert parse_form(response).fields["ReturnUrl"].startswith(site), host
        else:
            assert response.status_code == 400, host


def test_the_simulator_is_not_there_with_a_real_gateway(change_settings: Any) -> None:
    url = "/payments/simulator/monetaweb/phoenixstos.js"
    client = Client(HTTP_HOST="127.0.0.1:8000")
    assert client.get(url).status_code == 200
    change_settings(
        TERMINALS={"default": {"API_KEY": "k"}}, PUBLIC_URL="https://shop.example"
    )
    assert client.get(url).status_code == 404
