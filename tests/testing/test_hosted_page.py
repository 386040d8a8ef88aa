"""A shopper on Nexi's hosted page, and the notifications that a shop's tests get."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.test import Client, override_settings
from django.urls import include, path
from django.views.decorators.csrf import csrf_exempt

from nexi_payments import conf
from nexi_payments.gateway.hosted_payloads import BrowserUrls
from nexi_payments.gateway.hosted_responses import HostedPage
from nexi_payments.gateway.payloads import Purchase
from nexi_payments.models import PaymentOrder
from nexi_payments.testing import NexiSimulator, PaymentNotStarted
from nexi_payments.testing.forms import card_fields
from nexi_payments.testing.shopper import Visitor
from tests.support.hosted import with_hosted_terminals
from tests.support.shopper import new_order

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.seen_on("sqlite", "postgresql"),
]

events: list[tuple[str, Any]] = []


def came_back(request: HttpRequest) -> HttpResponse:
    events.append(("back", request.GET.get("x", "")))
    return HttpResponseRedirect("/arrived/?y=2")


def arrived(request: HttpRequest) -> HttpResponse:
    return HttpResponse("arrived " + request.GET.get("y", ""))


@csrf_exempt
def notified(request: HttpRequest) -> HttpResponse:
    assert request.method == "POST"
    assert request.content_type == "application/json"
    assert request.is_secure()
    assert request.COOKIES == {}
    events.append(("notified", json.loads(request.body)))
    return HttpResponse("{}", status=int(request.GET.get("status", "200")))


def broken(request: HttpRequest) -> HttpResponse:
    raise RuntimeError


urlpatterns = [
    path("back/", came_back),
    path("arrived/", arrived),
    path("notified/", notified),
    path("broken/", csrf_exempt(broken)),
    path("protected/", broken),
    path("payments/", include("nexi_payments.urls")),
]


@pytest.fixture
def nexi() -> Iterator[NexiSimulator]:
    events.clear()
    with override_settings(ROOT_URLCONF=__name__), NexiSimulator() as found:
        yield found


def opened(notify: str = "/notified/", service: str = "PAYPAL") -> PaymentOrder:
    """An order with a page at Nexi, as a flow would create it."""
    order = new_order()
    page_of(order, notify, service)
    return order


def page_of(order: PaymentOrder, notify: str, service: str) -> HostedPage:
    client = conf.client(conf.current().terminal("default"), "https://testserver")
    return client.create_hosted_page(
        conf.call_context(),
        Purchase(order.order_id, order.amount, order.currency, description="Books"),
        payment_service=service,
        urls=BrowserUrls(
            "https://testserver/back/?x=1",
            "https://testserver/back/?x=cancel",
            f"https://testserver{notify}",
        ),
        language="en",
    )


def words() -> list[str]:
    return [word for word, _ in events]


def test_paid_and_back(nexi: NexiSimulator) -> None:
    order = nexi.visit_hosted_page(opened())
    assert words() == ["back", "notified"]
    assert events[0] == ("back", "1")
    assert nexi.page.content == b"arrived 2"  # type: ignore[attr-defined]
    assert events[1][1]["operation"]["orderId"] == order.order_id
    assert [charge.captured for charge in nexi.charges] == [1250]


@pytest.mark.parametrize(
    ("notify", "comes_back", "seen"),
    [
        ("before", True, ["notified", "back"]),
        ("before", False, ["notified"]),
        ("after", False, ["notified"]),
        ("twice", True, ["notified", "back", "notified"]),
        ("late", True, ["back"]),
        ("never", False, []),
        ("forged", True, ["notified", "back"]),
    ],
)
def test_who_comes_first(
    nexi: NexiSimulator, notify: str, comes_back: bool, seen: list[str]
) -> None:
    nexi.visit_hosted_page(opened(), notify=notify, comes_back=comes_back)
    assert words() == seen


def test_late_ones_come_with_the_time(nexi: NexiSimulator) -> None:
    order = opened()
    nexi.visit_hosted_page(order, notify="late", comes_back=False)
    nexi.visit_hosted_page(order, ending="pay_late", notify="before")
    assert words() == []
    nexi.advance(minutes=119)
    assert words() == []
    nexi.advance(minutes=2)
    assert words() == ["notified", "notified"]
    assert nexi.gateway.charge_count(order.order_id) == 2
    assert [charge.net for charge in nexi.charges] == [1250, 1250]


@pytest.mark.parametrize(("ending", "query"), [("cancel", "cancel"), ("decline", "1")])
def test_unpaid_and_back(nexi: NexiSimulator, ending: str, query: str) -> None:
    nexi.visit_hosted_page(opened(), ending=ending, notify="never")
    assert events == [("back", query)]
    assert nexi.charges == ()


def test_a_closed_page_leads_nowhere(nexi: NexiSimulator) -> None:
    nexi.visit_hosted_page(opened(), ending="close")
    assert words() == []


@pytest.mark.parametrize(
    ("address", "status"),
    [
        ("/notified/?status=503", 503),
        ("/broken/", 500),
        ("/nowhere/", 404),
        ("/protected/", 403),
    ],
)
def test_what_the_shop_answers(nexi: NexiSimulator, address: str, status: int) -> None:
    nexi.visit_hosted_page(opened(address), notify="before", comes_back=False)
    assert [one.status for one in nexi.gateway.hosted.deliveries] == [status]


def test_the_card_decides(nexi: NexiSimulator) -> None:
    order = opened(service="CARDS")
    nexi.visit_hosted_page(order, card="declined", notify="never")
    assert nexi.charges == ()
    nexi.visit_hosted_page(order, notify="never")
    assert [charge.captured for charge in nexi.charges] == [1250]


def test_the_page_in_the_process_of_the_shop(nexi: NexiSimulator) -> None:
    """The built-in simulator serves it by Django, with all middleware in front."""
    order = new_order()
    url = urlsplit(page_of(order, "/notified/", "CARDS").url)
    visitor = Visitor(Client())
    address = f"{url.path}?{url.query}"
    page = visitor.get(url.path, **dict([url.query.split("=")]))
    assert page.status_code == 200
    assert b"Books" in page.content
    outcome = visitor.post(address, ending="pay", notify="before", **card_fields())
    assert outcome.status_code == 200
    assert b"The payment was made" in outcome.content
    assert b'href="https://testserver/back/?x=1"' in outcome.content
    assert words() == ["notified"]
    assert [charge.captured for charge in nexi.charges] == [1250]


def test_no_card_is_left_of_a_hosted_page(nexi: NexiSimulator) -> None:
    order = new_order()
    with nexi.assert_no_card_data():
        url = urlsplit(page_of(order, "/notified/", "CARDS").url)
        visitor = Visitor(Client())
        address = f"{url.path}?{url.query}"
        visitor.post(address, ending="pay", **card_fields("declined"))
        visitor.post(address, ending="pay", **card_fields(card_number="4349"))
        visitor.post(address, ending="pay", **card_fields())
    assert [one["result"] for one in nexi.gateway.payments(order.order_id)] == [
        "DECLINED",
        "EXECUTED",
    ]


# -- nexi.pay(order, method=…), over the shop's own page -------------------------------


@pytest.fixture
def shop(settings: Any) -> Iterator[NexiSimulator]:
    settings.NEXI_PAYMENTS = with_hosted_terminals()
    with NexiSimulator() as found:
        yield found


def test_pay_by_a_method(shop: NexiSimulator) -> None:
    order = shop.pay(new_order(terminal="methods"), method="PAYPAL")
    assert (order.state, order.method) == ("paid", "PAYPAL")
    assert shop.page.status_code == 200  # type: ignore[attr-defined]
    assert "You have paid with PayPal." in shop.page.content.decode()  # type: ignore[attr-defined]


@pytest.mark.parametrize("notify", ["late", "never"])
def test_pay_and_never_come_back(shop: NexiSimulator, notify: str) -> None:
    order = new_order(terminal="methods")
    order = shop.pay(order, method="PAYPAL", comes_back=False, notify=notify)
    assert order.state == "awaiting_hosted_page"
    shop.advance(hours=2)
    order.refresh_from_db()
    assert order.state == "paid"


def test_pay_by_card_on_nexis_page(shop: NexiSimulator) -> None:
    order = new_order(terminal="nexi_only")
    declined = shop.pay(order, "declined", method="CARDS")
    assert (declined.state, declined.pk) == ("failed", order.pk)
    paid = shop.pay(declined, method="CARDS")
    assert (paid.state, paid.retry_of_id) == ("paid", order.pk)


def test_an_ending(shop: NexiSimulator) -> None:
    order = shop.pay(new_order(terminal="methods"), method="MYBANK", ending="cancel")
    assert (order.state, order.reason) == ("failed", "cancelled_by_payer")


@pytest.mark.parametrize(
    ("terminal", "method"), [("default", "PAYPAL"), ("methods", "KLARNA")]
)
def test_a_method_that_is_not_offered(
    shop: NexiSimulator, terminal: str, method: str
) -> None:
    order = new_order(terminal=terminal)
    with pytest.raises(PaymentNotStarted, match="This way to pay is not available"):
        shop.pay(order, method=method)
    order.refresh_from_db()
    assert order.state == "init"


def test_what_is_being_confirmed_cannot_be_paid_again(shop: NexiSimulator) -> None:
    order = shop.pay(new_order(terminal="methods"), method="PAYPAL", ending="pending")
    with pytest.raises(PaymentNotStarted):
        shop.pay(order, method="GOOGLEPAY")
    assert PaymentOrder.objects.count() == 1
