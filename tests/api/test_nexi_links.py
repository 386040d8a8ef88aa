"""Nexi's payment links by the API: made, read, renewed, cancelled."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.http import HttpResponse

from nexi_payments.enums import OrderState
from nexi_payments.flows.hosted import nexi_links
from nexi_payments.models import Operation, PaymentOrder
from nexi_payments.models.bookkeeping import IdempotencyRecord
from nexi_payments.models.hosted_page import NexiLink
from nexi_payments.simulator import Reply, Simulator
from tests.support.api_clients import ShopServer, assert_problem
from tests.support.canary import everything_stored
from tests.support.hosted import with_hosted_terminals
from tests.support.in_doubt import reconcile_after

pytestmark = pytest.mark.django_db(transaction=True)

PAYBYLINK = "/orders/paybylink"
CANCELS = "/cancels"


@pytest.fixture(autouse=True)
def terminals(gateway: Simulator, settings: Any) -> None:
    changed = with_hosted_terminals()
    changed["TERMINALS"]["links"] = {"ENVIRONMENT": "simulator", "LINKS": "nexi"}
    settings.NEXI_PAYMENTS = changed


@pytest.fixture
def clerk() -> ShopServer:
    return ShopServer("take_moto")


def day(number: int) -> str:
    first, _ = nexi_links.last_days()
    return (first + timedelta(days=number - 1)).isoformat()


def order_id(**changes: Any) -> str:
    server = ShopServer("add_paymentorder")
    body = server.create(terminal="links", reference="L-1", **changes)
    found: str = body["id"]
    return found


def create(clerk: ShopServer, order: str, days: int = 10, key: str = "") -> Any:
    path = f"orders/{order}/nexi-link/"
    return clerk.post(path, {"expires_on": day(days)}, key)


def made(clerk: ShopServer, order: str) -> str:
    answer = create(clerk, order)
    assert answer.status_code == 201, answer.content
    url: str = answer.json()["url"]
    return url


def read(clerk: ShopServer, order: str) -> dict[str, Any]:
    answer = clerk.get(f"orders/{order}/nexi-link/")
    assert answer.status_code == 200, answer.content
    body: dict[str, Any] = answer.json()
    return body


def renew(clerk: ShopServer, order: str, days: int, key: str = "") -> HttpResponse:
    path = f"orders/{order}/nexi-link/renew/"
    return clerk.post(path, {"expires_on": day(days)}, key)


def cancel(clerk: ShopServer, order: str, key: str = "") -> HttpResponse:
    return clerk.post(f"orders/{order}/nexi-link/cancel/", {}, key)


def row(order: str) -> PaymentOrder:
    return PaymentOrder.objects.get(order_id=order)


def links_made(gateway: Simulator) -> int:
    return gateway.counts.get(f"POST {PAYBYLINK}", 0)


def untouched(gateway: Simulator, order: str) -> None:
    assert (row(order).state, row(order).method) == (OrderState.INIT, "")
    assert not Operation.objects.exists()
    assert not NexiLink.objects.exists()
    assert links_made(gateway) == 0


# -- made ------------------------------------------------------------------------------


def test_a_payment_of_the_shop_gets_a_link(
    clerk: ShopServer, gateway: Simulator
) -> None:
    order = order_id()
    answer = create(clerk, order)
    body = answer.json()
    assert answer.status_code == 201
    assert sorted(body) == ["expires_on", "is_open", "order", "url"]
    assert (body["is_open"], body["expires_on"]) == (True, day(10))
    assert (body["order"]["id"], body["order"]["state"]) == (
        order,
        "awaiting_hosted_page",
    )
    assert body["order"]["method"] == "PAYBYLINK"
    assert body["url"].startswith("http")
    assert body["url"] not in everything_stored()
    assert read(clerk, order) == body

    gateway.hosted.pay(order, method="PAYPAL", notify="never")
    reconcile_after(60)
    body = read(clerk, order)
    assert (body["order"]["state"], body["order"]["method"]) == ("paid", "PAYPAL")
    assert (body["is_open"], body["expires_on"], body["url"]) == (False, None, None)


def test_the_language_of_the_page(clerk: ShopServer, gateway: Simulator) -> None:
    gateway.keep_bodies()
    body = {"expires_on": day(3), "language": "it"}
    answer = clerk.post(f"orders/{order_id()}/nexi-link/", body)
    assert answer.status_code == 201
    [call] = [one for one in gateway.calls if one.path.endswith(PAYBYLINK)]
    assert call.request_body["paymentSession"]["language"].lower() == "ita"


def test_a_repetition_makes_no_second_link(
    clerk: ShopServer, gateway: Simulator
) -> None:
    order, key = order_id(), str(uuid.uuid4())
    first = create(clerk, order, key=key)
    again = create(clerk, order, key=key)
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json() == first.json()  # with the URL, from Nexi
    assert "http" not in IdempotencyRecord.objects.latest("pk").body
    assert_problem(create(clerk, order, 11, key), 409, "idempotency_key_reused")
    assert_problem(create(clerk, order, key=""), 409, "order_not_payable")
    assert links_made(gateway) == 1


class Killed(BaseException):
    pass


def killed_at_the_claim(run: Any, sql: str, *rest: Any) -> Any:
    if sql.startswith("INSERT") and "nexi_payments_operation" in sql:
        raise Killed
    return run(sql, *rest)


def test_a_process_died_before_it_began(clerk: ShopServer, gateway: Simulator) -> None:
    order, key = order_id(), str(uuid.uuid4())
    with pytest.raises(Killed), connection.execute_wrapper(killed_at_the_claim):
        create(clerk, order, key=key)
    untouched(gateway, order)
    answer = create(clerk, order, key=key)
    assert (answer.status_code, answer.json()["is_open"]) == (201, True)


def test_a_process_died_before_it_answered(
    clerk: ShopServer, gateway: Simulator
) -> None:
    order, key = order_id(), str(uuid.uuid4())
    url = create(clerk, order, key=key).json()["url"]
    IdempotencyRecord.objects.update(body="")
    answer = create(clerk, order, key=key)
    assert (answer.status_code, answer.json()["url"]) == (200, url)
    assert links_made(gateway) == 1


def test_a_lost_answer_makes_no_link(clerk: ShopServer, gateway: Simulator) -> None:
    order, key = order_id(), str(uuid.uuid4())
    gateway.fail_next(PAYBYLINK)
    answer = create(clerk, order, key=key)
    body = answer.json()
    assert (answer.status_code, body["url"], body["is_open"]) == (200, None, False)
    assert body["order"]["state"] == "failed"
    assert create(clerk, order, key=key).json() == body
    # the id of the first attempt goes on to work
    answer = create(clerk, order)
    assert answer.status_code == 201
    assert answer.json()["order"]["id"] != order
    assert read(clerk, order)["order"]["id"] == answer.json()["order"]["id"]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"expires_on": ""},
        {"expires_on": "tomorrow"},
        {"expires_on": "2020-01-01"},
        {"expires_on": "9999-12-31"},
        {"expires_on": 20300101},
        {"expires_on": "2030-01-01", "amount": "1.00"},
    ],
)
def test_an_invalid_body(
    clerk: ShopServer, gateway: Simulator, body: dict[str, Any]
) -> None:
    order = order_id()
    for path in ("", "renew/"):
        answer = clerk.post(f"orders/{order}/nexi-link/{path}", body)
        assert_problem(answer, 400, "invalid")
    untouched(gateway, order)


def test_days_at_the_ends(clerk: ShopServer) -> None:
    order = order_id()
    answer = create(clerk, order, 91)
    [error] = assert_problem(answer, 400, "invalid")["errors"]
    assert error["field"] == "expires_on"
    assert error["detail"] == f"Must be from {day(1)} to {day(90)}."
    assert create(clerk, order, 1).status_code == 201
    assert renew(clerk, order, 90).status_code == 200


def test_only_where_links_is_nexi(clerk: ShopServer, gateway: Simulator) -> None:
    server = ShopServer("add_paymentorder")
    order = server.create(terminal="methods", reference="M-1")["id"]
    body = assert_problem(create(clerk, order), 409, "method_not_offered")
    assert body["order"] == order
    untouched(gateway, order)
    assert not IdempotencyRecord.objects.filter(body="").exists()


def test_not_for_a_payment_that_saves_the_card(
    clerk: ShopServer, gateway: Simulator
) -> None:
    order = order_id(contract={"description": "Gym"})
    assert_problem(create(clerk, order), 409, "method_not_offered")
    untouched(gateway, order)


def test_not_with_another_permission(gateway: Simulator) -> None:
    order = order_id()
    server = ShopServer("add_paymentorder", "void_payment", "view_paymentorder")
    for answer in (
        server.get(f"orders/{order}/nexi-link/"),
        create(server, order),
        renew(server, order, 3),
        cancel(server, order),
    ):
        assert_problem(answer, 403, "permission_denied")
    untouched(gateway, order)


def test_an_unknown_payment(clerk: ShopServer) -> None:
    for answer in (
        clerk.get("orders/NOPE/nexi-link/"),
        create(clerk, "NOPE"),
        renew(clerk, "NOPE", 3),
        cancel(clerk, "NOPE"),
    ):
        assert_problem(answer, 404, "not_found")


# -- renewed and cancelled -------------------------------------------------------------


def test_a_new_last_day(clerk: ShopServer, gateway: Simulator) -> None:
    order, key = order_id(), str(uuid.uuid4())
    url = made(clerk, order)
    answer = renew(clerk, order, 20, key)
    body = answer.json()
    assert answer.status_code == 200
    assert (body["is_open"], body["expires_on"], body["url"]) == (True, day(20), None)
    again = renew(clerk, order, 20, key)
    assert again["Idempotency-Replayed"] == "true"
    assert gateway.count("/renewals") == 1
    assert read(clerk, order)["url"] == url
    assert read(clerk, order)["expires_on"] == day(20)


def test_a_renewal_that_nexi_refuses(clerk: ShopServer, gateway: Simulator) -> None:
    order, key = order_id(), str(uuid.uuid4())
    made(clerk, order)
    gateway.next_reply("/renewals", Reply(400, b'{"errors":[{"code":"PS0026"}]}'))
    body = assert_problem(renew(clerk, order, 20), 409, "invalid_state")
    assert body["order"] == order
    gateway.fail_next("/renewals")
    assert_problem(renew(clerk, order, 20, key), 503, "gateway_unavailable")
    assert read(clerk, order)["expires_on"] == day(10)
    assert renew(clerk, order, 20, key).status_code == 200
    assert read(clerk, order)["expires_on"] == day(20)


def test_a_cancelled_link(clerk: ShopServer, gateway: Simulator) -> None:
    order, key = order_id(), str(uuid.uuid4())
    made(clerk, order)
    answer = cancel(clerk, order, key)
    body = answer.json()
    assert answer.status_code == 200
    assert (body["is_open"], body["expires_on"], body["url"]) == (False, None, None)
    assert (body["order"]["state"], body["order"]["reason"]) == ("failed", "expired")
    assert cancel(clerk, order, key).json() == body
    assert cancel(clerk, order).json() == body  # idempotent without the key, too
    assert gateway.count(CANCELS) == 1
    with pytest.raises(ValueError, match="takes no payment"):
        gateway.hosted.pay(order)


def test_a_link_that_was_paid_is_not_cancelled(
    clerk: ShopServer, gateway: Simulator
) -> None:
    order = order_id()
    made(clerk, order)
    gateway.hosted.pay(order, method="PAYPAL", notify="never")
    body = assert_problem(cancel(clerk, order), 409, "nexi_link_used")
    assert body["order"] == order
    assert row(order).state == OrderState.PAID


def test_a_cancel_without_an_answer(clerk: ShopServer, gateway: Simulator) -> None:
    order, key = order_id(), str(uuid.uuid4())
    made(clerk, order)
    gateway.fail_next(CANCELS)
    answer = cancel(clerk, order, key)
    assert_problem(answer, 503, "nexi_link_cancel_unconfirmed")
    assert row(order).state == OrderState.AWAITING_HOSTED_PAGE
    body = read(clerk, order)
    assert (body["is_open"], body["url"]) == (False, None)  # is not sent any more
    assert cancel(clerk, order, key).status_code == 200
    assert row(order).state == OrderState.FAILED


def test_without_a_link(clerk: ShopServer, gateway: Simulator) -> None:
    order = order_id()
    body = read(clerk, order)
    assert (body["is_open"], body["url"], body["order"]["id"]) == (False, None, order)
    assert_problem(renew(clerk, order, 3), 409, "invalid_state")
    assert_problem(cancel(clerk, order), 409, "invalid_state")
    untouched(gateway, order)


def test_nexi_does_not_tell_the_url(clerk: ShopServer, gateway: Simulator) -> None:
    order = order_id()
    made(clerk, order)
    gateway.fail_next(PAYBYLINK)
    answer = clerk.get(f"orders/{order}/nexi-link/")
    assert_problem(answer, 503, "gateway_unavailable")
