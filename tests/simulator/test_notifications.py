"""Notifications: what is posted to the shop, when, and what is false about it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from nexi_payments.simulator import Simulator, notifications
from tests.simulator.merchant_client import (
    NOTIFICATION_URL,
    MerchantClient,
    hosted_order,
)
from tests.simulator.test_hosted_orders import create, operations
from tests.support.hosted_page_schema import hosted_page_schema

Posts = list[tuple[str, Any]]


@pytest.fixture
def posts(simulator: Simulator) -> Posts:
    """What the shop has got: URL and body."""
    found: Posts = []

    def deliver(url: str, headers: Mapping[str, str], body: bytes) -> int:
        assert headers == {
            "Content-Type": "application/json",
            "User-Agent": "Apache-HttpClient/4.5.13 (Java/1.8.0_161)",
        }
        found.append((url, json.loads(body)))
        hosted_page_schema("Notification").validate(found[-1][1])
        return 200

    simulator.deliver = deliver
    return found


def words(posts: Posts) -> list[str]:
    return [body["operation"]["operationResult"] for _, body in posts]


def test_before_the_return(
    terminal: MerchantClient, simulator: Simulator, posts: Posts
) -> None:
    token = create(terminal)["securityToken"]
    visit = simulator.hosted.pay("ORDER1", method="PAYPAL", notify="before")
    ((url, body),) = posts
    assert url == NOTIFICATION_URL
    assert body.keys() == {"eventId", "eventTime", "securityToken", "operation"}
    assert body["securityToken"] == token
    assert body["eventTime"] == "2027-01-15T11:00:00.005Z"
    assert len(body["eventId"]) == 36
    (operation,) = operations(terminal)
    assert body["operation"] == operation
    (delivery,) = simulator.hosted.deliveries
    assert delivery == notifications.Delivery(
        "ORDER1",
        visit.operation_ids[0],
        "EXECUTED",
        "before",
        200,
        simulator.now(),
    )
    assert simulator.hosted.deliver_due() == 0
    assert len(posts) == 1


def test_after_the_return(
    terminal: MerchantClient, simulator: Simulator, posts: Posts
) -> None:
    create(terminal)
    simulator.hosted.pay("ORDER1", method="PAYPAL")
    terminal.get("/orders/ORDER1")  # the shop asks first
    assert posts == []
    assert simulator.hosted.deliver_due() == 1
    assert words(posts) == ["EXECUTED"]
    assert simulator.hosted.deliver_due() == 0


def test_twice(terminal: MerchantClient, simulator: Simulator, posts: Posts) -> None:
    create(terminal)
    simulator.hosted.pay("ORDER1", method="PAYPAL", notify="twice")
    assert len(posts) == 1
    assert simulator.hosted.deliver_due() == 1
    assert posts[0] == posts[1]
    assert [one.mode for one in simulator.hosted.deliveries] == ["twice", "after"]


def test_late(terminal: MerchantClient, simulator: Simulator, posts: Posts) -> None:
    create(terminal)
    simulator.hosted.pay("ORDER1", method="PAYPAL", notify="late")
    simulator.advance(2 * 3600 - 1)
    assert simulator.hosted.deliver_due() == 0
    simulator.advance(1)
    assert simulator.hosted.deliver_due() == 1
    assert posts[0][1]["eventTime"] == "2027-01-15T13:00:00.005Z"
    assert words(posts) == ["EXECUTED"]


@pytest.mark.parametrize(
    ("ending", "notify"),
    [("pay", "never"), ("leave", "before"), ("close", "before"), ("close", "twice")],
)
def test_never(
    terminal: MerchantClient,
    simulator: Simulator,
    posts: Posts,
    ending: str,
    notify: str,
) -> None:
    create(terminal)
    simulator.hosted.pay("ORDER1", method="PAYPAL", ending=ending, notify=notify)
    simulator.advance(7 * 24 * 3600)
    assert simulator.hosted.deliver_due() == 0
    assert posts == []


def test_no_address_no_notification(
    terminal: MerchantClient, simulator: Simulator, posts: Posts
) -> None:
    body = hosted_order()
    del body["paymentSession"]["notificationUrl"]
    terminal.post("/orders/hpp", body)
    for notify in notifications.MODES:
        simulator.hosted.pay("ORDER1", method="PAYPAL", notify=notify)
    simulator.advance(24 * 3600)
    simulator.hosted.deliver_due()
    assert posts == []


@pytest.mark.parametrize("ending", ["pay", "decline", "leave"])
def test_forged(
    terminal: MerchantClient, simulator: Simulator, posts: Posts, ending: str
) -> None:
    token = create(terminal)["securityToken"]
    simulator.hosted.pay("ORDER1", method="PAYPAL", ending=ending, notify="forged")
    ((url, body),) = posts
    assert url == NOTIFICATION_URL
    assert len(body["securityToken"]) == 32
    assert body["securityToken"] != token
    assert body["operation"]["orderId"] == "ORDER1"
    assert words(posts) == ["EXECUTED"]
    shown = {one["operationId"] for one in operations(terminal)}
    assert body["operation"]["operationId"] not in shown
    assert simulator.hosted.deliver_due() == 0  # the true one never comes


def test_foreign(terminal: MerchantClient, simulator: Simulator, posts: Posts) -> None:
    token = create(terminal)["securityToken"]
    simulator.hosted.pay("ORDER1", method="PAYPAL", ending="close", notify="foreign")
    create(terminal, "ORDER2")
    simulator.hosted.pay("ORDER1", method="CARDS", ending="close", notify="foreign")
    assert [url for url, _ in posts] == [NOTIFICATION_URL] * 2
    assert [body["securityToken"] for _, body in posts] == [token, token]
    named = [body["operation"]["orderId"] for _, body in posts]
    assert named == ["OTHERORDER1", "ORDER2"]
    assert words(posts) == ["EXECUTED", "EXECUTED"]
    assert [one.order_id for one in simulator.hosted.deliveries] == ["ORDER1"] * 2
    assert operations(terminal) == []


@pytest.mark.parametrize(
    ("ending", "result"), [("pending", "EXECUTED"), ("pending_fails", "FAILED")]
)
def test_one_event_id_serves_pending_and_its_end(
    terminal: MerchantClient,
    simulator: Simulator,
    posts: Posts,
    ending: str,
    result: str,
) -> None:
    create(terminal)
    simulator.hosted.pay("ORDER1", method="MYBANK", ending=ending)
    simulator.hosted.deliver_due()
    assert words(posts) == ["PENDING"]
    simulator.advance(20)
    simulator.hosted.deliver_due()
    assert words(posts) == ["PENDING", result]
    assert posts[0][1]["eventId"] == posts[1][1]["eventId"]


def test_an_end_that_was_asked_for_is_announced(
    terminal: MerchantClient, simulator: Simulator, posts: Posts
) -> None:
    create(terminal)
    simulator.hosted.pay("ORDER1", method="MYBANK", ending="pending")
    simulator.hosted.settle("ORDER1", paid=False)
    assert simulator.hosted.deliver_due() == 2
    assert words(posts) == ["PENDING", "FAILED"]


def test_each_of_two_payments_is_announced(
    terminal: MerchantClient, simulator: Simulator, posts: Posts
) -> None:
    create(terminal)
    visit = simulator.hosted.pay(
        "ORDER1", method="PAYPAL", ending="pay_twice", notify="before"
    )
    ids = tuple(body["operation"]["operationId"] for _, body in posts)
    assert ids == visit.operation_ids
    assert posts[0][1]["eventId"] != posts[1][1]["eventId"]


def test_a_late_payment_is_announced_when_it_is_made(
    terminal: MerchantClient, simulator: Simulator, posts: Posts
) -> None:
    create(terminal)
    simulator.hosted.pay("ORDER1", method="PAYPAL", ending="pay_late", notify="before")
    assert posts == []
    simulator.advance(2 * 3600)
    terminal.get("/orders/ORDER1")
    assert posts == []  # never inside a call
    assert simulator.hosted.deliver_due() == 1
    assert posts[0][1]["eventTime"] == "2027-01-15T13:00:00.005Z"


def test_a_shop_that_fails(terminal: MerchantClient, simulator: Simulator) -> None:
    def broken(url: str, headers: Mapping[str, str], body: bytes) -> int:
        raise ConnectionRefusedError

    simulator.deliver = broken
    create(terminal)
    simulator.hosted.pay("ORDER1", method="PAYPAL", notify="before")
    simulator.deliver = lambda url, headers, body: 500
    simulator.hosted.pay("ORDER1", method="PAYPAL", notify="before")
    assert [one.status for one in simulator.hosted.deliveries] == [0, 500]
    assert simulator.hosted.deliver_due() == 0  # no retry is documented


def test_a_reset_forgets_them(
    terminal: MerchantClient, simulator: Simulator, posts: Posts
) -> None:
    create(terminal)
    simulator.hosted.pay("ORDER1", method="PAYPAL", notify="twice")
    simulator.hosted.pay("ORDER1", method="PAYPAL", ending="pay_late")
    simulator.reset()
    simulator.advance(24 * 3600)
    assert simulator.hosted.deliver_due() == 0
    assert simulator.hosted.deliveries == ()
    assert len(posts) == 1


def test_what_is_kept_shows_no_secret(
    terminal: MerchantClient, simulator: Simulator, posts: Posts
) -> None:
    token = create(terminal)["securityToken"]
    visit = simulator.hosted.pay("ORDER1", method="PAYPAL", notify="twice")
    shown = repr(
        (visit, simulator.hosted.deliveries, simulator.state.notifications.waiting)
    )
    assert token not in shown
    assert "shop.test" not in shown


# -- over http -------------------------------------------------------------------------


class Shop(HTTPServer):
    """Answers with ``status`` and keeps what it gets."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _ShopHandler)
        self.status = 200
        self.got: list[tuple[str, dict[str, str], Any]] = []
        self.arrived = threading.Event()


class _ShopHandler(BaseHTTPRequestHandler):
    server: Shop

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        headers = dict(self.headers.items())
        self.server.got.append((self.path, headers, json.loads(body)))
        self.send_response(self.server.status)
        self.end_headers()
        self.server.arrived.set()

    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture
def shop() -> Iterator[Shop]:
    with Shop() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("status", [200, 500])
def test_over_a_socket(
    terminal: MerchantClient, simulator: Simulator, shop: Shop, status: int
) -> None:
    shop.status = status
    url = f"http://127.0.0.1:{shop.server_address[1]}/notify/a/b/"
    create(terminal, notificationUrl=url)
    simulator.hosted.pay("ORDER1", method="PAYPAL", notify="before")
    ((path, headers, body),) = shop.got
    assert path == "/notify/a/b/"
    assert headers["Content-Type"] == "application/json"
    assert headers["User-Agent"].startswith("Apache-HttpClient/")
    assert body["operation"]["orderId"] == "ORDER1"
    assert [one.status for one in simulator.hosted.deliveries] == [status]


def test_in_the_background(
    terminal: MerchantClient, simulator: Simulator, shop: Shop
) -> None:
    simulator.notifies_in_background = True
    url = f"http://127.0.0.1:{shop.server_address[1]}/notify/a/b/"
    create(terminal, notificationUrl=url)
    simulator.hosted.pay("ORDER1", method="PAYPAL")
    assert shop.got == []
    terminal.get("/orders/ORDER1")
    assert shop.arrived.wait(10)
    assert len(shop.got) == 1


@pytest.mark.parametrize(
    "url", ["https://shop.test/n/", "http://192.0.2.1/n/", "https://localhost/n/"]
)
def test_no_other_machine_is_reached(url: str) -> None:
    assert notifications.post_to_loopback(url, {}, b"{}") == 0
