"""What a request to the API has to be: body, key, method, length."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from nexi_payments.enums import OrderState
from nexi_payments.models import PaymentOrder
from nexi_payments.models.bookkeeping import IdempotencyRecord
from nexi_payments.simulator import Simulator
from tests.support.api_clients import PURCHASE, ShopServer, assert_problem
from tests.support.shopper import Shopper, new_order

pytestmark = pytest.mark.django_db(transaction=True)


def test_the_same_key_gives_the_same_answer(server: ShopServer) -> None:
    body = {"amount": "12.50", "currency": "EUR"}  # no reference: nothing to join
    first = server.post("orders/", body, "key-number-1")
    second = server.post("orders/", body, "key-number-1")
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json() == second.json()
    assert second["Idempotency-Replayed"] == "true"
    assert "Idempotency-Replayed" not in first
    assert PaymentOrder.objects.count() == 1
    other = server.post("orders/", body, "key-number-2")
    assert other.json()["id"] != first.json()["id"]


def test_a_key_with_another_body_is_refused(server: ShopServer) -> None:
    server.post("orders/", PURCHASE, "key-number-1")
    changed = {**PURCHASE, "amount": "99.00"}
    assert_problem(
        server.post("orders/", changed, "key-number-1"), 409, "idempotency_key_reused"
    )
    assert PaymentOrder.objects.count() == 1


def test_a_key_belongs_to_its_caller(server: ShopServer) -> None:
    body = {"amount": "12.50", "currency": "EUR"}
    first = server.post("orders/", body, "key-number-1")
    other = ShopServer("add_paymentorder").post("orders/", body, "key-number-1")
    assert other.status_code == 201
    assert other.json()["id"] != first.json()["id"]


@pytest.mark.parametrize(
    "key",
    [None, "short", "x" * 256, "with space in", "caffè-caffè", "4349940199004549"],
)
def test_no_usable_key_nothing_done(server: ShopServer, key: str | None) -> None:
    assert_problem(
        server.post("orders/", PURCHASE, key), 400, "idempotency_key_missing"
    )
    assert not PaymentOrder.objects.exists()
    assert not IdempotencyRecord.objects.exists()


def test_a_corrected_body_may_use_the_key_of_the_wrong_one(server: ShopServer) -> None:
    wrong = {**PURCHASE, "amount": "12.505"}
    assert_problem(server.post("orders/", wrong, "key-number-1"), 400, "invalid_amount")
    assert server.post("orders/", PURCHASE, "key-number-1").status_code == 201


def test_bodies_are_objects_in_strict_json(server: ShopServer) -> None:
    def send(raw: bytes, kind: str = "application/json") -> Any:
        return server.browser.post(
            "/api/payments/orders/",
            raw,
            content_type=kind,
            headers={"Idempotency-Key": "key-number-1"},
        )

    for raw in (
        b"[]",
        b"null",
        b'"x"',
        b"{",
        b'{"amount": NaN}',
        b'{"amount": "1.00", "amount": "2.00"}',
        b"\xff",
        b"[" * 100_000,
    ):
        assert_problem(send(raw), 400, "invalid_body")
    assert_problem(send(b""), 400, "invalid_body")
    assert_problem(send(b"", "application/x-www-form-urlencoded"), 400, "invalid_body")
    assert_problem(send(b" " * 600_000), 413, "body_too_large")
    assert_problem(
        send(b"amount=1", "application/x-www-form-urlencoded"),
        415,
        "unsupported_media_type",
    )
    assert_problem(
        send(b"{}", "application/4349940199004549"), 415, "unsupported_media_type"
    )
    assert not PaymentOrder.objects.exists()


def test_a_problem_names_the_request_of_the_host(server: ShopServer) -> None:
    server.headers["X-Request-ID"] = "req-77"
    body = assert_problem(server.post("orders/", {}), 400, "invalid")
    assert body["request_id"] == "req-77"


def test_no_other_method(server: ShopServer) -> None:
    order = new_order()
    for method in ("put", "patch", "delete", "options"):
        answer = getattr(server.browser, method)(
            f"/api/payments/orders/{order.order_id}/",
            {"state": "paid"},
            content_type="application/json",
        )
        assert_problem(answer, 405, "method_not_allowed")
    order.refresh_from_db()
    assert order.state == OrderState.INIT


def test_nothing_is_stored_by_browsers_nor_shown_as_a_page(server: ShopServer) -> None:
    answer = server.browser.get(
        "/api/payments/orders/", headers={"Accept": "text/html"}
    )
    assert answer["Content-Type"] == "application/json"
    assert answer["Cache-Control"] == "private, no-store"
    assert answer["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    "key",
    [
        "434994019900-4549-8000-000000000000",  # no UUID: the groups are others
        "43499401-9900-4549-0000-000000000000",  # nor this: it has no variant
        "4349940199004549" * 2,
        "order-4349940199004549",
        "4349/9401/9900/4549",
        "D4349940199004549",
        "4349940199004549exp1230",
        "4349 9401 9900 4549",
    ],
)
def test_a_card_number_is_no_key(server: ShopServer, key: str) -> None:
    assert_problem(
        server.post("orders/", PURCHASE, key), 400, "idempotency_key_missing"
    )
    assert not IdempotencyRecord.objects.exists()


@pytest.mark.parametrize(
    "key",
    [
        "43499401-9900-4549-8000-000000000000",
        "43499401-9900-4549-a716-446655440000",
        "4349940199004549a716446655440000",
        "refund-43499401-9900-4549-a716-446655440000",
        '"43499401-9900-4549-a716-446655440000"',  # as the draft of IETF has it
        "{43499401-9900-4549-a716-446655440000}",
        "capture:43499401-9900-4549-a716-446655440000:1",
    ],
)
def test_a_random_key_is_no_card_number(server: ShopServer, key: str) -> None:
    """One UUID in some thousand has such digits."""
    assert server.post("orders/", PURCHASE, key).status_code == 201


@pytest.mark.parametrize("length", [None, "", "0", "abc", "-1"])
@pytest.mark.parametrize("deed", ["refund", "capture", "reconcile"])
def test_a_body_of_unknown_length_is_not_all_of_it(
    server: ShopServer,
    shopper: Shopper,
    gateway: Simulator,
    length: str | None,
    deed: str,
) -> None:
    order = shopper.pay(
        new_order(terminal="manual" if deed == "capture" else "default")
    )
    calls = len(gateway.calls)
    request = {"CONTENT_LENGTH": length} if length is not None else {}
    answer = server.browser.generic(
        "POST",
        f"/api/payments/orders/{order.order_id}/{deed}/",
        b"" if length is None else b'{"amount": "2.00"}',
        content_type="application/json",
        headers={"Idempotency-Key": "key-number-1"},
        **request,
    )
    assert_problem(answer, 400, "invalid_body")
    assert len(gateway.calls) == calls
    assert not IdempotencyRecord.objects.exists()


def test_a_post_without_a_length_where_nothing_is_posted(
    server: ShopServer, shopper: Shopper
) -> None:
    order = shopper.pay(new_order())
    answer = server.browser.generic("POST", f"/api/payments/orders/{order.order_id}/")
    assert_problem(answer, 405, "method_not_allowed")


def test_two_keys_that_differ_in_case_are_two(
    server: ShopServer, shopper: Shopper, gateway: Simulator
) -> None:
    order = shopper.pay(new_order())
    for key in ("refund-key-Ab", "refund-key-aB"):
        done = server.post(f"orders/{order.order_id}/refund/", {"amount": "2.00"}, key)
        assert "Idempotency-Replayed" not in done
    assert gateway.count("refunds") == 2


def test_thousands_of_unknown_members_get_a_short_answer(server: ShopServer) -> None:
    many = {"".join(name): 1 for name in itertools.product("abcdef", repeat=5)}
    body = assert_problem(server.post("orders/", many), 400, "invalid")
    assert len(body["errors"]) == 20
