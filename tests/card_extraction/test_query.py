"""A card in the query string of a card page, where a form without a method puts it, and
in the Referer of the next request: it is removed, the rest of the URL stays."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import urlencode

import pytest
from asgiref.sync import sync_to_async
from django.conf import settings as django_settings
from django.db import connections
from django.http import HttpResponse
from django.test import AsyncClient, Client, RequestFactory

from nexi_payments import card_extraction
from nexi_payments.enums import OrderState
from nexi_payments.pan_scanner import MAX_TEXT_LENGTH
from nexi_payments.simulator import Simulator
from tests.support.canary import AMEX, Reports, found_in, told
from tests.support.card_posts import CARD, PLACES, Post, broken_in
from tests.support.clerk import Clerk
from tests.support.shopper import Shopper, new_order

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.seen_on("sqlite")]

TYPED = urlencode(CARD)
#: how the card stands there, by what a browser or a person may have done to it
WRITTEN = {
    "form": TYPED,
    "in groups": "a=1&card_number=3782+822463+10005&security_code=0739",
    "escaped": TYPED.replace("_", "%5F"),
    "escaped digits": "x=" + "".join(f"%{ord(one):x}" for one in AMEX.number),
    "escaped twice": "x=" + "".join(f"%25{ord(one):x}" for one in AMEX.number),
    "alone": AMEX.number,
    "another name": f"number={AMEX.number}&b=2",
}
LAST = len(django_settings.MIDDLEWARE)


@pytest.mark.parametrize("debug", [True, False])
@pytest.mark.parametrize("slot", [0, LAST])
@pytest.mark.parametrize("way", ["GET", "POST", "Referer", "Referer of a GET"])
@pytest.mark.parametrize("place", PLACES)
def test_a_middleware_that_breaks_tells_no_card(
    gateway: Simulator,
    settings: Any,
    reports: Reports,
    place: str,
    way: str,
    slot: int,
    debug: bool,
) -> None:
    post = Post(place)
    settings.DEBUG = debug
    settings.MIDDLEWARE = broken_in(slot, "OnRequest")
    before = f"http://127.0.0.1:8000{post.path}?{TYPED}"
    if way == "GET":
        answer = post.browser.get(f"{post.path}?{TYPED}", REQUEST_URI=before)
    elif way == "POST":
        post.path += f"?{TYPED}"
        answer = post.send(RAW_URI=before)
    elif way == "Referer":
        answer = post.send(HTTP_REFERER=before)
    else:
        answer = post.browser.get(post.path, HTTP_REFERER=before)
    told(reports, answer)
    assert gateway.calls == ()


@pytest.mark.parametrize("written", sorted(WRITTEN))
def test_however_it_is_written(
    gateway: Simulator, settings: Any, reports: Reports, written: str
) -> None:
    post = Post("pay")
    settings.DEBUG = True
    settings.MIDDLEWARE = broken_in(0, "OnRequest")
    before = f"http://127.0.0.1:8000{post.path}?{WRITTEN[written]}"
    answer = post.browser.get(
        f"{post.path}?{WRITTEN[written]}", headers={"referer": before}
    )
    told(reports, answer)
    assert WRITTEN[written] not in answer.content.decode()


@pytest.mark.parametrize("page", ["result", "status"])
def test_pages_that_take_no_card(settings: Any, reports: Reports, page: str) -> None:
    order = new_order()
    settings.MIDDLEWARE = broken_in(0, "OnRequest")
    browser = Client(HTTP_HOST="127.0.0.1:8000", raise_request_exception=False)
    before = f"http://127.0.0.1:8000{order.get_absolute_url()}?{TYPED}"
    address = f"/payments/{page}/{order.public_id}/?{TYPED}"
    told(reports, browser.get(address, HTTP_REFERER=before))


def test_where_a_middleware_chooses_the_urlconf(
    gateway: Simulator, settings: Any, reports: Reports, monkeypatch: Any
) -> None:
    """The view does it then."""
    post = Post("pay")
    settings.ROOT_URLCONF = "tests.support.urls_empty"
    settings.MIDDLEWARE = [
        "tests.support.failing_middleware.TenantUrlconf",
        *settings.MIDDLEWARE,
    ]
    answer = post.browser.get(f"{post.path}?{TYPED}", HTTP_HOST="localhost")
    assert answer.status_code == 200
    assert found_in(repr(vars(answer.wsgi_request)), AMEX) == []


def test_on_an_async_server(
    gateway: Simulator, settings: Any, reports: Reports
) -> None:
    post = Post("pay")
    settings.DEBUG = True
    settings.MIDDLEWARE = broken_in(0, "OnRequest")
    before = f"http://127.0.0.1:8000{post.path}?{TYPED}"

    async def send() -> Any:
        browser = AsyncClient(raise_request_exception=False)
        answer = await browser.get(
            f"{post.path}?{TYPED}",
            headers={"host": "127.0.0.1:8000", "referer": before},
        )
        await sync_to_async(connections.close_all)()
        return answer

    answer = asyncio.run(send())
    told(reports, answer)
    assert found_in(repr(answer.asgi_request.scope), AMEX) == []


# -- what stays ------------------------------------------------------------------------

seen: list[Any] = []


class Sees:
    def __init__(self, get_response: Any) -> None:
        self.get_response = get_response

    def __call__(self, request: Any) -> HttpResponse:
        seen.append((request.META["QUERY_STRING"], request.headers.get("referer")))
        answer: HttpResponse = self.get_response(request)
        return answer


def see(settings: Any) -> None:
    seen.clear()
    settings.MIDDLEWARE = [f"{__name__}.Sees", *settings.MIDDLEWARE]


def test_everything_else_stays_as_it_was_written(
    gateway: Simulator, settings: Any
) -> None:
    post = Post("pay")
    see(settings)
    kept = "utm=%C3%A8+x%20y&next=/shop/?a=1;b&year=2026&id=101010101010101010"
    before = f"https://shop.example/cart/{'4' * 20}?{kept}"
    answer = post.browser.get(f"{post.path}?{kept}&{TYPED}", HTTP_REFERER=before)
    assert answer.status_code == 200
    left = "cardholder_name=Giulia+Bianchi&card_number=&expiry=&security_code="
    assert seen == [(f"{kept}&{left}", before)]
    assert answer.wsgi_request.GET["year"] == "2026"
    assert answer.wsgi_request.GET["card_number"] == ""


@pytest.mark.parametrize("address", ["/login/", "/nowhere/", "/admin/login/"])
def test_addresses_of_the_host_are_left_alone(settings: Any, address: str) -> None:
    see(settings)
    before = f"https://shop.example/?{TYPED}"
    Client().get(f"{address}?{TYPED}", HTTP_REFERER=before)
    assert seen[0] == (TYPED, before)


def test_a_payment_after_such_an_address(shopper: Shopper, gateway: Simulator) -> None:
    order = new_order()
    before = f"http://127.0.0.1:8000{order.get_absolute_url()}?{TYPED}"
    shopper.browser.defaults["HTTP_REFERER"] = before
    assert shopper.pay(order).state == OrderState.PAID


def test_an_answer_of_the_issuer_in_an_address_comes_through(
    gateway: Simulator,
) -> None:
    for long in ("A1" * 500, "1a" * (MAX_TEXT_LENGTH + 9), "4" * (MAX_TEXT_LENGTH + 1)):
        query = f"PaRes={long}&paymentId=401010101010101010"
        request = RequestFactory().get("/payments/return/x/y/?" + query)
        card_extraction.redact_url(request, card_extraction.RAW)
        assert request.META["QUERY_STRING"] == query


def test_a_search_for_a_card_number_is_refused_as_it_was() -> None:
    """Without the number it would show all payments."""
    new_order(reference="shown-with-all")
    clerk = Clerk("view_paymentorder")
    page = "/admin/nexi_payments/paymentorder/"
    answer = clerk.browser.get(f"{page}?q={AMEX.number}")
    assert (answer.status_code, answer["Location"]) == (302, page)
    shown = clerk.browser.get(page).content.decode()
    assert "That looks like a card number. It was not searched for" in shown
