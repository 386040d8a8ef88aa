"""The addresses of the ways back from Nexi's hosted page: what they take, what they
answer, what they keep to themselves."""

from __future__ import annotations

import io
import json
import secrets
from typing import Any
from urllib.parse import urlsplit

import pytest
from asgiref.sync import async_to_sync
from django.db import OperationalError, connection
from django.test import AsyncClient, Client

from nexi_payments import flows, sealed_cards
from nexi_payments.enums import OrderState
from nexi_payments.models import PaymentOrder
from nexi_payments.models.hosted_page import HostedPage
from nexi_payments.simulator import Simulator
from tests.support.canary import (
    Failures,
    break_at,
    ears,
    everything_stored,
    failures,
    frames_of,
)
from tests.support.fault_injection import database_fails
from tests.support.hosted import HostedShopper, with_hosted_terminals
from tests.support.in_doubt import reconcile_after
from tests.support.shopper import HOST, new_order

assert ears  # the fixtures
assert failures

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.seen_on("sqlite")]

TOKEN = "t" * 43
KIB = 1024


@pytest.fixture
def shopper(gateway: Simulator, settings: Any) -> HostedShopper:
    settings.NEXI_PAYMENTS = with_hosted_terminals()
    return HostedShopper(gateway)


@pytest.fixture
def order(shopper: HostedShopper) -> PaymentOrder:
    order = shopper.go(new_order(terminal="methods"))
    digest = sealed_cards.hash_token(TOKEN)
    HostedPage.objects.filter(order=order).update(notify_hash=digest)
    return order


def address(order: PaymentOrder, token: str = TOKEN) -> str:
    return f"/payments/notify/{order.public_id}/{token}/"


def picture(order: PaymentOrder) -> dict[str, Any]:
    row = PaymentOrder.objects.filter(pk=order.pk).values().get()
    return row | HostedPage.objects.filter(order=order).values().get()


def post(url: str, body: bytes | str = b"{}", **more: Any) -> Any:
    """As Nexi does, with the checks of CSRF."""
    nexi = Client(HTTP_HOST=HOST, enforce_csrf_checks=True)
    more = {"content_type": "application/json", **more}
    return nexi.post(url, body, **more)


# -- what it takes ---------------------------------------------------------------------


def test_it_is_stored_and_answered(order: PaymentOrder) -> None:
    answer = post(address(order))
    assert (answer.status_code, answer.json()) == (200, {})
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Cache-Control"] == "private, no-store"
    assert answer.cookies == {}
    order.refresh_from_db()
    assert (order.triggers, order.state) == (1, OrderState.AWAITING_HOSTED_PAGE)


@pytest.mark.parametrize("method", ["get", "head", "put", "patch", "delete", "options"])
def test_only_post(order: PaymentOrder, method: str) -> None:
    before = picture(order)
    answer = getattr(Client(HTTP_HOST=HOST), method)(address(order))
    assert (answer.status_code, answer.headers["Allow"]) == (405, "POST")
    assert picture(order) == before


@pytest.mark.parametrize("token", ["x", "T" * 43, "%C3%A9" * 40, TOKEN + "t"])
def test_a_wrong_address_is_unknown(order: PaymentOrder, token: str) -> None:
    before = picture(order)
    assert post(address(order, token)).status_code == 404
    unknown = f"/payments/notify/{secrets.token_hex(16)}/{TOKEN}/"
    answer = post(unknown)
    assert (answer.status_code, answer.json()) == (404, {})
    assert picture(order) == before


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"x" * (64 * KIB + 1), 413),
        (b'{"a": "' + b"x" * (64 * KIB) + b'"}', 413),
        (b"", 400),
        (b"<html>", 400),
        (b"[]", 400),
        (b'"text"', 400),
        (b"null", 400),
        (b"{", 400),
        (b'{"a": NaN}', 400),
        (b'{"a": 1, "a": 2}', 400),
        (b'{"a": "\xff"}', 400),
        (b'{"a": "\\ud800"}', 400),
        (b'{"\\udfff": 1}', 400),
        (b'{"operation": {"orderId": "\\ud800"}}', 400),
        (b"[" * 30_000, 400),
        (b'{"a":' * 10_000, 400),
        (b'{"a": ' + b"[" * 20_000 + b"]" * 20_000 + b"}", 400),
        (b'{"a": ' + b"9" * 6000 + b"}", 400),
    ],
)
def test_another_body(order: PaymentOrder, body: bytes, status: int) -> None:
    before = picture(order)
    answer = post(address(order), body)
    assert (answer.status_code, answer.json()) == (status, {})
    assert picture(order) == before


def test_as_much_as_is_allowed(order: PaymentOrder) -> None:
    body = b'{"a": "' + b"x" * (64 * KIB - 9) + b'"}'
    assert len(body) == 64 * KIB
    assert post(address(order), body).status_code == 200


def test_a_limit_of_the_host_is_kept(order: PaymentOrder, settings: Any) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 100
    before = picture(order)
    assert post(address(order), b'{"a": "' + b"x" * 200 + b'"}').status_code == 413
    assert picture(order) == before


def test_under_asgi(order: PaymentOrder) -> None:
    post_async = async_to_sync(AsyncClient(headers={"host": HOST}).post)
    answer = post_async(address(order), b"{}", content_type="application/json")
    assert answer.status_code == 200
    order.refresh_from_db()
    assert order.triggers == 1


# -- no cookie, no login, no session ---------------------------------------------------


def test_no_login(order: PaymentOrder, settings: Any) -> None:
    settings.MIDDLEWARE = [
        *settings.MIDDLEWARE,
        "django.contrib.auth.middleware.LoginRequiredMiddleware",
    ]
    assert post(address(order)).status_code == 200
    back = Client(HTTP_HOST=HOST).get(f"/payments/hosted/{order.public_id}/{TOKEN}/")
    assert back.url == f"/payments/result/{order.public_id}/"


def test_no_session(order: PaymentOrder) -> None:
    nexi = Client(HTTP_HOST=HOST, enforce_csrf_checks=True)
    nexi.cookies["sessionid"] = "a" * 32
    with database_fails("SELECT", "django_session"):
        answer = nexi.post(address(order), b"{}", content_type="application/json")
        back = nexi.post(f"/payments/hosted/{order.public_id}/{TOKEN}/")
    assert (answer.status_code, answer.cookies) == (200, {})
    assert (back.status_code, back.cookies) == (303, {})


@pytest.mark.parametrize("method", ["get", "post", "head", "put"])
def test_the_return_is_always_the_same_redirect(
    shopper: HostedShopper, order: PaymentOrder, method: str
) -> None:
    visit = shopper.gateway.hosted.pay(order.order_id, method="PAYPAL", notify="never")
    right = urlsplit(visit.return_url).path
    wrong = right.replace(right.split("/")[-2], "x" * 43)
    browser = Client(HTTP_HOST=HOST, enforce_csrf_checks=True)
    before = picture(order)
    unknown = f"/payments/hosted/{secrets.token_hex(16)}/{TOKEN}/"
    assert getattr(browser, method)(wrong).status_code == 303
    assert getattr(browser, method)(unknown).status_code == 303
    assert picture(order) == before
    answer = getattr(browser, method)(right)
    assert answer.status_code == 303
    assert answer.url == f"/payments/result/{order.public_id}/"
    order.refresh_from_db()
    asks = method in ("get", "post")
    expected = OrderState.PAID if asks else OrderState.AWAITING_HOSTED_PAGE
    assert (order.state, order.triggers) == (expected, int(asks))


# -- what fails ------------------------------------------------------------------------


def no_database(run: Any, sql: str, *rest: Any) -> Any:
    raise OperationalError("no database")


def test_what_is_not_stored_is_not_answered_200(
    order: PaymentOrder, caplog: Any
) -> None:
    before = picture(order)
    with connection.execute_wrapper(no_database):
        answer = post(address(order))
    assert (answer.status_code, answer.json()) == (500, {})
    assert "a notification was not stored: OperationalError" in caplog.messages
    assert picture(order) == before


def test_a_return_without_a_database(order: PaymentOrder) -> None:
    with connection.execute_wrapper(no_database):
        answer = Client(HTTP_HOST=HOST).get(
            f"/payments/hosted/{order.public_id}/{TOKEN}/"
        )
    assert answer.status_code == 303


# -- what is kept secret ---------------------------------------------------------------


class Secrets:
    """Every token of one payment on the hosted page."""

    def __init__(self, gateway: Simulator, order: PaymentOrder) -> None:
        page = gateway.store.find_page(order.order_id)
        assert page is not None
        self.notification = page["notification_url"]
        self.back = page["result_url"]
        self.page_id = page["page_id"]
        self.words = [
            page["security_token"],
            page["page_id"],
            *(
                urlsplit(url).path.split("/")[-2]
                for url in (self.back, self.notification)
            ),
        ]

    def in_text(self, text: str) -> list[str]:
        return [word for word in self.words if word in text]


@pytest.mark.parametrize(
    "place",
    [
        "",
        "nexi_payments.flows.hosted.ways_back.trigger",
        "nexi_payments.flows.inquiry.query.inquire_and_apply",
        "nexi_payments.views.hosted_page.flows.receive_notification",
        "nexi_payments.views.hosted_page.flows.return_from_hosted_page",
    ],
)
def test_tokens_stand_nowhere(
    shopper: HostedShopper,
    ears: io.StringIO,
    failures: Failures,
    monkeypatch: Any,
    place: str,
) -> None:
    order = shopper.go(new_order(terminal="methods"))
    found = Secrets(shopper.gateway, order)
    if place:
        break_at(monkeypatch, place)
    token = found.words[0]
    body = json.dumps({"securityToken": token, "operation": {"orderId": "x"}})
    statuses = [
        post(urlsplit(found.notification).path, body).status_code,
        post(urlsplit(found.notification).path, b"[" + body.encode()).status_code,
        post(urlsplit(found.notification).path + "x/", body).status_code,
        Client(HTTP_HOST=HOST).get(urlsplit(found.back).path).status_code,
    ]
    fails = place.endswith(("trigger", "receive_notification"))
    assert statuses == [500 if fails else 200, 400, 404, 303]
    assert failures.seen == []
    assert found.in_text(everything_stored()) == []
    assert found.in_text(ears.getvalue()) == []


@pytest.mark.parametrize(
    "place",
    [
        "nexi_payments.gateway.hosted_responses.parse_hosted_page",
        "nexi_payments.conf.is_safe_hosted_page_url",
        "nexi_payments.sealed_cards.hash_token",
    ],
)
def test_no_frame_shows_a_token_when_the_page_is_not_opened(
    shopper: HostedShopper, failures: Failures, monkeypatch: Any, place: str
) -> None:
    order = new_order(terminal="methods")
    flows.payment_methods(order)
    made: list[str] = []
    fresh_token = sealed_cards.new_token

    def noticed() -> str:
        made.append(fresh_token())
        return made[-1]

    monkeypatch.setattr("nexi_payments.sealed_cards.new_token", noticed)
    break_at(monkeypatch, place)
    shopper.client.raise_request_exception = False
    shopper.choose(order)
    page = shopper.gateway.store.find_page(order.order_id)
    words = made + ([page["security_token"]] if page else [])
    [(error, _)] = failures.seen
    seen = frames_of(error, deep=False)
    assert [word for word in words if word in seen] == []
    order.refresh_from_db()
    assert order.state in (OrderState.INIT, OrderState.FAILED)
    monkeypatch.undo()
    reconcile_after(7200)
    order.refresh_from_db()
    assert order.state == OrderState.FAILED
