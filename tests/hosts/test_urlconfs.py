"""A middleware chooses a URLconf for each host name (subdomains, tenants): our URLs are
those of the host of ``PUBLIC_URL``, whichever host the request is for."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.contrib import admin
from django.core import mail
from django.core.checks import run_checks
from django.http import HttpRequest, HttpResponse
from django.urls import get_urlconf, include, path, set_urlconf

from nexi_payments import conf, flows, page_paths
from nexi_payments.enums import OrderState
from nexi_payments.simulator import Simulator
from tests.support.api_clients import ALL_PERMISSIONS, PayerClient, ShopServer
from tests.support.clerk import Clerk, order_from_redirect, result_url
from tests.support.shopper import SITE, Form, Shopper, new_order

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.seen_on("sqlite"),
]


class api_host:
    urlpatterns = [path("api/payments/", include("nexi_payments.api.urls"))]


class desk_host:
    urlpatterns = [path("admin/", admin.site.urls)]


class other_prefix:
    urlpatterns = [path("elsewhere/", include("nexi_payments.urls"))]


class ChoosesByHost:
    def __init__(self, get_response: Any) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.path.startswith("/api/"):
            request.urlconf = api_host  # type: ignore[assignment]
        elif request.path.startswith("/admin/"):
            request.urlconf = desk_host  # type: ignore[assignment]
        return self.get_response(request)


@pytest.fixture
def many_hosts(settings: Any, gateway: Simulator) -> None:
    settings.MIDDLEWARE = [f"{__name__}.ChoosesByHost", *settings.MIDDLEWARE]


@pytest.mark.usefixtures("many_hosts")
def test_the_api_on_a_host_without_pages(shopper: Shopper) -> None:
    server = ShopServer(*ALL_PERMISSIONS)
    payer = PayerClient(server.create())
    body = payer.pay().json()
    fields = body["next_action"]["fields"]
    assert fields["ReturnUrl"].startswith(f"{SITE}/payments/return/")
    form = Form("", fields)
    shopper.return_from_issuer(form, shopper.answer_challenge(form))
    done = payer.get_checkout()
    assert done["state"] == "paid"
    assert done["next_action"]["url"].startswith("/payments/result/")


@pytest.mark.usefixtures("many_hosts")
def test_a_secure_link_from_a_desk_on_a_host_of_its_own(gateway: Simulator) -> None:
    clerk = Clerk("take_moto", "view_paymentorder")
    order = order_from_redirect(clerk.create_order(customer_email="c@example.org"))
    clerk.post(f"{result_url(order)}link/")
    page = clerk.get_text(result_url(order))
    assert f"{SITE}/payments/link/" in page
    posted = clerk.post(
        f"{result_url(order)}email/",
        email="c@example.org",
        language="en",
    )
    assert posted.status_code == 302
    assert f"{SITE}/payments/link/" in mail.outbox[0].body


def test_pages_are_on_the_host_of_the_setting(
    settings: Any, change_settings: Any, shopper: Shopper
) -> None:
    """ROOT_URLCONF is that of a host without pages; the setting names ours."""
    settings.ROOT_URLCONF = "tests.support.urls_empty"
    assert "nexi_payments.E004" in {one.id for one in run_checks()}
    change_settings(URLCONF="tests.hosts.minimal_urls")
    assert "nexi_payments.E004" not in {one.id for one in run_checks()}
    settings.MIDDLEWARE = [f"{__name__}.Tenant", *settings.MIDDLEWARE]
    order = shopper.pay(new_order())
    assert order.state == OrderState.PAID
    assert order.page_url() == f"/payments/pay/{order.public_id}/"


class Tenant:
    def __init__(self, get_response: Any) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        request.urlconf = "tests.hosts.minimal_urls"  # type: ignore[assignment]
        return self.get_response(request)


def test_a_browser_stays_under_the_prefix_of_its_host(gateway: Simulator) -> None:
    order = new_order()
    before = get_urlconf()
    set_urlconf(other_prefix)  # type: ignore[arg-type]
    try:
        assert order.page_url().startswith("/elsewhere/pay/")
        assert page_paths.public_path("result", "x") == "/payments/result/x/"
        assert conf.site.simulator_address(SITE).endswith("/payments/simulator/")
    finally:
        set_urlconf(before)


def test_a_urlconf_that_does_not_exist(change_settings: Any) -> None:
    change_settings(URLCONF="shop.no_urls")
    found = [one for one in run_checks() if one.id == "nexi_payments.E004"]
    assert [one.msg for one in found] == [
        "NEXI_PAYMENTS['URLCONF'] cannot be imported: shop.no_urls."
    ]


def test_the_api_is_found_under_another_host(settings: Any) -> None:
    settings.ROOT_URLCONF = "tests.hosts.minimal_urls"
    assert not conf.has_api()
    set_urlconf(api_host)  # type: ignore[arg-type]
    try:
        assert conf.has_api()
    finally:
        set_urlconf(None)


def test_no_other_place_reverses_our_urls() -> None:
    """One function, so that the next URL is right, too."""
    from tests.support.doc_pages import ROOT

    ours = re.compile(r"""reverse\(\s*f?["']nexi_payments(_api)?:""")
    found = [
        str(file.relative_to(ROOT))
        for file in (ROOT / "nexi_payments").rglob("*.py")
        if ours.search(file.read_text()) and file.name != "page_paths.py"
    ]
    assert found == []


def test_a_refund_of_the_shop_needs_no_request(shopper: Shopper) -> None:
    """A worker has no URLconf of a request at all."""
    set_urlconf(None)
    order = shopper.pay(new_order())
    flows.refund(order)
    order.refresh_from_db()
    assert order.refunding_amount + order.refunded_amount == 1250
