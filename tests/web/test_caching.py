"""No page of ours is cached by a browser, a proxy or Django's site cache."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.core.cache import caches
from django.test import Client
from django.urls import get_resolver

from nexi_payments import api
from nexi_payments.models import PaymentOrder
from nexi_payments.simulator import Simulator
from nexi_payments.web import payment_links
from tests.support.api_clients import ALL_PERMISSIONS, API_ROOT, ShopServer
from tests.support.clerk import (
    ORDERS_URL,
    PERMISSIONS,
    Clerk,
    order_from_redirect,
    order_url,
    result_url,
)
from tests.support.contracts import make_contract
from tests.support.shopper import SITE, Shopper, new_order, parse_form

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.seen_on("sqlite")]

CACHE = "django.middleware.cache."
METHODS = ("get", "head", "options", "post", "put", "delete")


@pytest.fixture(autouse=True)
def site_cache(settings: Any) -> Iterator[Any]:
    """As the documentation of Django says, ten minutes for everything."""
    settings.CACHES = {
        "default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"},
        "site": {
            "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
            "LOCATION": "site",
        },
    }
    settings.CACHE_MIDDLEWARE_ALIAS = "site"
    settings.MIDDLEWARE = [
        f"{CACHE}UpdateCacheMiddleware",
        *settings.MIDDLEWARE,
        f"{CACHE}FetchFromCacheMiddleware",
    ]
    caches["site"].clear()
    yield caches["site"]
    caches["site"].clear()


def kept(cache: Any) -> list[str]:
    return list(cache._cache)


def assert_never_kept(answer: Any, what: str) -> None:
    control = {one.strip() for one in answer.get("Cache-Control", "").split(",")}
    assert {"private", "no-store"} <= control, (what, answer.status_code, control)
    assert "Expires" not in answer or "max-age=0" in control, what


def varies(answer: Any) -> set[str]:
    return {one.strip().lower() for one in answer.get("Vary", "").split(",")}


def test_pages_of_shoppers(shopper: Shopper, site_cache: Any) -> None:
    user = get_user_model().objects.create_user("giulia")
    shopper.browser.force_login(user)
    order = new_order(user=user)
    begun = shopper.submit_card(order)
    form = parse_form(begun)
    assert_never_kept(begun, "redirect")
    fields = shopper.answer_challenge(form)
    stranger = Client(HTTP_HOST="127.0.0.1:8000")
    addresses = {
        "pay": order.get_absolute_url(),
        "return": form.path,
        "hosted": f"/payments/hosted/{order.public_id}/x/",
        "notify": f"/payments/notify/{order.public_id}/x/",
        "result": f"/payments/result/{order.public_id}/",
        "status": f"/payments/status/{order.public_id}/",
        "link": "/payments/link/x/",
        "csp_report": "/payments/csp-report/",
        "simulator": f"/payments/simulator{form.action.partition('/simulator')[2]}",
    }
    # those without a name: the same without a final slash
    ours = {one.name for one in resolved("nexi_payments") if one.name}
    assert set(addresses) == ours
    for name, path in addresses.items():
        for method in METHODS:
            if (name, method) == ("return", "post"):
                continue
            mine = getattr(shopper.browser, method)(path)
            theirs = getattr(stranger, method)(path)
            assert_never_kept(mine, f"{method} {name}")
            assert_never_kept(theirs, f"{method} {name}")
            assert {"cookie", "accept-language"} <= varies(mine), name
            if name in ("pay", "result", "status") and method == "get":
                assert (mine.status_code, theirs.status_code) in (
                    (200, 404),
                    (303, 404),
                )
    assert_never_kept(stranger.get(form.path, fields), "posted again")
    assert_never_kept(shopper.return_from_issuer(form, fields), "back")
    assert_never_kept(shopper.browser.get(addresses["result"]), "result")
    assert kept(site_cache) == []
    assert PaymentOrder.objects.get().state == "paid"


def resolved(name: str) -> list[Any]:
    for pattern in get_resolver().url_patterns:
        if getattr(pattern, "app_name", None) == name:
            return list(pattern.url_patterns)
    raise AssertionError(name)


def test_a_link_and_strict_cookies(
    shopper: Shopper, settings: Any, site_cache: Any
) -> None:
    clerk = Clerk(*PERMISSIONS)
    order = order_from_redirect(clerk.create_order(link="1"))
    link = payment_links.build_url(order, SITE).removeprefix(SITE)
    assert_never_kept(shopper.browser.get(link), "link")
    settings.SESSION_COOKIE_SAMESITE = "Strict"
    form = shopper.start(order)
    assert_never_kept(
        shopper.return_from_issuer(form, shopper.answer_challenge(form)), "landing"
    )
    assert kept(site_cache) == []


def test_the_api(shopper: Shopper, gateway: Simulator, site_cache: Any) -> None:
    server = ShopServer(*ALL_PERMISSIONS)
    made = server.create()
    order = PaymentOrder.objects.get()
    secret = {"X-Client-Secret": api.client_secret(order)}
    stranger = Client(HTTP_HOST="127.0.0.1:8000")
    paths = [
        API_ROOT
        + str(pattern.pattern).replace("<str:id>", made["id"]).replace("<int:id>", "1")
        for pattern in resolved("nexi_payments_api")
    ]
    assert len(paths) > 15
    for path in paths:
        headers = secret if "checkout" in path else {}
        for method in METHODS:
            for browser in (server.browser, stranger):
                given = {} if browser is stranger else headers
                answer = getattr(browser, method)(path, headers=given)
                assert_never_kept(answer, f"{method} {path}")
                if answer.status_code == 415:
                    continue  # for every caller: the body was not read
                assert {
                    "cookie",
                    "authorization",
                    "accept-language",
                    "x-client-secret",
                } <= varies(answer), path
    assert server.browser.get(f"{API_ROOT}orders/").status_code == 200
    assert stranger.get(f"{API_ROOT}orders/").status_code == 403
    assert stranger.get(f"{API_ROOT}checkout/{made['id']}/").status_code == 401
    assert kept(site_cache) == []


def test_pages_of_staff(shopper: Shopper, gateway: Simulator, site_cache: Any) -> None:
    clerk = Clerk(*PERMISSIONS)
    order = clerk.take_phone_order()
    contract = make_contract(shopper)
    stranger = Client(HTTP_HOST="127.0.0.1:8000")
    desk = f"{ORDERS_URL}moto/"
    one = order_from_redirect(clerk.create_order(reference="R-2", amount="7.00"))
    shown = clerk.get(f"{ORDERS_URL}?state=paid").content.decode()
    assert order.order_id in shown
    for path in (
        ORDERS_URL,
        f"{ORDERS_URL}?state=paid",
        f"{ORDERS_URL}export/",
        f"{ORDERS_URL}review-queue/",
        f"{ORDERS_URL}daily-report/",
        f"{ORDERS_URL}daily-report/?format=csv",
        order_url(order),
        desk,
        clerk.create_order(reference="R-3")["Location"],
        f"{result_url(one)}status/",
        result_url(order),
        f"{ORDERS_URL}{order.pk}/receipt/",
        "/admin/nexi_payments/contract/",
        f"/admin/nexi_payments/contract/{contract.pk}/change/",
        "/admin/nexi_payments/cardverification/",
        "/admin/nexi_payments/cardverification/verify/",
    ):
        mine = clerk.get(path)
        assert mine.status_code == 200, path
        assert_never_kept(mine, path)
        theirs = stranger.get(path)
        assert theirs.status_code == 302, path
        assert_never_kept(theirs, path)
    assert kept(site_cache) == []
