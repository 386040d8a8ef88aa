"""A shop's server: makes orders, looks, captures, gives back."""

from __future__ import annotations

import base64
import itertools
from typing import Any

import pytest

from nexi_payments import states
from nexi_payments.models import (
    CustomerDetails,
    KeptAnswer,
    Operation,
    PaymentOrder,
)
from nexi_payments.simulator import Simulator
from tests.api.caller import EVERYTHING, PURCHASE, Payer, Server, problem
from tests.shopper import Shopper, new_order

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def server(gateway: Simulator) -> Server:
    return Server(*EVERYTHING)


def test_what_is_created_is_what_was_asked_for(server: Server) -> None:
    made = server.create(
        description="Three cups",
        customer={"name": "Giulia Bianchi", "email": "giulia@example.com"},
        terminal="manual",
        success_url="/thanks/",
        failure_url="https://shop.example/basket/",
        expires_in=600,
    )
    order = PaymentOrder.objects.get(public_id=made["id"])
    assert made["client_secret"].startswith("cs_")
    assert {**made, "client_secret": "", "created_at": "", "expires_at": ""} == {
        "id": order.public_id,
        "order_id": order.order_id,
        "state": "init",
        "final": False,
        "successful": False,
        "reason": "",
        "channel": "shop",
        "terminal": "manual",
        "amount": "12.50",
        "currency": "EUR",
        "captured": "0.00",
        "refunded": "0.00",
        "left_to_capture": "0.00",
        "left_to_refund": "0.00",
        "reference": "R-1",
        "description": "Three cups",
        "card": None,
        "contract": None,
        "exemption": "",
        "response_code": "",
        "eci": "",
        "pay_url": f"/payments/pay/{order.public_id}/",
        "client_secret": "",
        "created_at": "",
        "expires_at": "",
    }
    assert (order.amount, order.customer_name, order.customer_email) == (
        1250,
        "Giulia Bianchi",
        "giulia@example.com",
    )
    assert (order.success_url, order.failure_url) == (
        "/thanks/",
        "https://shop.example/basket/",
    )
    assert round((order.expires_at - order.created_at).total_seconds()) == 600
    assert order.user is None


def test_what_3d_secure_may_be_told(server: Server) -> None:
    """Odd values are left out; an odd member is a typing mistake."""
    made = server.create(
        customer={
            "name": "Giulia Bianchi",
            "billing_address": {"city": "Roma", "country": "IT", "province": "Roma"},
            "mobile_phone": "+39 333 1234567",
            "account": {"created": "2024-05-01", "purchases": -1, "guest": False},
            "risk": {"ship_to": "store", "pre_order_date": "soon"},
        },
    )
    row = CustomerDetails.objects.get(order__public_id=made["id"])
    assert row.told == {
        "billingAddress": {"city": "Roma", "country": "ITA"},
        "mobilePhoneCountryCode": "+39",
        "mobilePhone": "3331234567",
        "cardHolderAcctInfo": {
            "chAccDate": "2024-05-01",
            "chAccAgeIndicator": "05",
        },
        "merchantRiskIndicator": {"shipIndicator": "04"},
    }
    assert row.left_out == [
        ["billing_address.province", "no_province"],
        ["account.purchases", "no_number"],
        ["risk.pre_order_date", "no_date"],
    ]


def test_the_same_purchase_with_another_key_is_the_live_payment(server: Server) -> None:
    made = server.create()
    again = server.post("orders/", PURCHASE)
    assert again.status_code == 200
    assert again.json()["id"] == made["id"]
    assert again.json()["client_secret"] == made["client_secret"]


def test_the_same_key_gives_the_same_answer(server: Server) -> None:
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


def test_the_client_secret_is_on_no_disk(server: Server) -> None:
    made = server.create()
    (kept,) = KeptAnswer.objects.all()
    assert made["client_secret"] not in kept.body
    assert "client_secret" not in kept.body


def test_a_key_with_another_body_is_refused(server: Server) -> None:
    server.post("orders/", PURCHASE, "key-number-1")
    changed = {**PURCHASE, "amount": "99.00"}
    problem(
        server.post("orders/", changed, "key-number-1"), 409, "idempotency_key_reused"
    )
    assert PaymentOrder.objects.count() == 1


def test_a_key_belongs_to_its_caller(server: Server) -> None:
    body = {"amount": "12.50", "currency": "EUR"}
    first = server.post("orders/", body, "key-number-1")
    other = Server("add_paymentorder").post("orders/", body, "key-number-1")
    assert other.status_code == 201
    assert other.json()["id"] != first.json()["id"]


@pytest.mark.parametrize(
    "key",
    [None, "short", "x" * 256, "with space in", "caffè-caffè", "4349940199004549"],
)
def test_no_usable_key_nothing_done(server: Server, key: str | None) -> None:
    problem(server.post("orders/", PURCHASE, key), 400, "idempotency_key_missing")
    assert not PaymentOrder.objects.exists()
    assert not KeptAnswer.objects.exists()


def test_a_corrected_body_may_use_the_key_of_the_wrong_one(server: Server) -> None:
    wrong = {**PURCHASE, "amount": "12.505"}
    problem(server.post("orders/", wrong, "key-number-1"), 400, "invalid_amount")
    assert server.post("orders/", PURCHASE, "key-number-1").status_code == 201


@pytest.mark.parametrize(
    ("changes", "status", "code", "field"),
    [
        ({"amount": 12.5}, 400, "invalid", "amount"),
        ({"amount": 12}, 400, "invalid", "amount"),
        ({"amount": "1e3"}, 400, "invalid", "amount"),
        ({"amount": "-1"}, 400, "invalid", "amount"),
        ({"amount": "١٢"}, 400, "invalid", "amount"),
        ({"amount": "NaN"}, 400, "invalid", "amount"),
        ({"amount": "0"}, 400, "invalid_amount", None),
        ({"amount": "12.505"}, 400, "invalid_amount", None),
        ({"amount": None}, 400, "invalid", "amount"),
        ({"currency": "XXX"}, 400, "invalid_amount", None),
        ({"currency": "EURO"}, 400, "invalid", "currency"),
        ({"currency": 978}, 400, "invalid", "currency"),
        ({"reference": "x" * 101}, 400, "invalid", "reference"),
        ({"reference": "a\0b"}, 400, "invalid", "reference"),
        ({"reference": "\ud800"}, 400, "invalid", "reference"),
        ({"reference": "4349940199004549"}, 400, "card_data_not_allowed", None),
        ({"description": "4349 9401 9900 4549"}, 400, "card_data_not_allowed", None),
        ({"customer": {"email": "no"}}, 400, "invalid_customer", None),
        ({"customer": {"phone": "1"}}, 400, "invalid", "customer.phone"),
        (
            {"customer": {"billing_address": {"zip": "1"}}},
            *(400, "invalid", "customer.billing_address.zip"),
        ),
        ({"customer": "Giulia"}, 400, "invalid", "customer"),
        ({"terminal": "defualt"}, 400, "invalid", "terminal"),
        ({"success_url": "javascript:alert(1)"}, 400, "invalid", "success_url"),
        ({"failure_url": "basket"}, 400, "invalid", "failure_url"),
        ({"expires_in": 0}, 400, "invalid", "expires_in"),
        ({"expires_in": "600"}, 400, "invalid", "expires_in"),
        ({"expires_in": True}, 400, "invalid", "expires_in"),
        ({"user": 1}, 400, "invalid", "user"),
        ({"state": "paid"}, 400, "invalid", "state"),
        ({"captured_amount": "12.50"}, 400, "invalid", "captured_amount"),
        ({"live_reference": None}, 400, "invalid", "live_reference"),
    ],
)
def test_what_does_not_fit_is_refused_whole(
    server: Server, changes: dict[str, Any], status: int, code: str, field: str | None
) -> None:
    answer = server.post("orders/", {**PURCHASE, **changes})
    body = problem(answer, status, code)
    fields = [row["field"] for row in body.get("errors", [])]
    assert fields == ([field] if field else [])
    assert "4349" not in answer.content.decode()
    assert not PaymentOrder.objects.exists()
    assert not KeptAnswer.objects.exists()


def test_an_unknown_member_gets_a_suggestion(server: Server) -> None:
    body = problem(
        server.post("orders/", {**PURCHASE, "refrence": "x"}), 400, "invalid"
    )
    assert body["errors"] == [
        {
            "field": "refrence",
            "code": "unknown",
            "detail": "Not known here. Did you mean 'reference'?",
        }
    ]


def test_another_amount_while_it_is_paid_is_a_conflict(
    server: Server, shopper: Shopper
) -> None:
    order = shopper.pay(new_order(reference="R-1"))
    body = problem(
        server.post("orders/", {**PURCHASE, "amount": "9.00"}), 409, "reference_in_use"
    )
    assert body["order"] == order.public_id


def test_orders_are_listed_newest_first_page_by_page(server: Server) -> None:
    made = [new_order(reference=f"R-{number}") for number in range(52)]
    newest = [order.public_id for order in made[::-1]]
    first = server.get("orders/").json()
    assert [row["id"] for row in first["results"]] == newest[:50]
    rest = server.browser.get(first["next"]).json()
    assert [row["id"] for row in rest["results"]] == newest[50:]
    assert rest["next"] is None
    assert all("client_secret" not in row for row in first["results"])


def test_orders_are_found_by_reference_and_state(
    server: Server, shopper: Shopper
) -> None:
    paid = shopper.pay(new_order(reference="R-1"))
    new_order(reference="R-2")
    by_reference = server.get("orders/", reference="R-1").json()["results"]
    assert [row["id"] for row in by_reference] == [paid.public_id]
    by_state = server.get("orders/", state="init").json()["results"]
    assert [row["reference"] for row in by_state] == ["R-2"]
    problem(server.get("orders/", state="payed"), 400, "invalid")
    problem(server.get("orders/", state=""), 400, "invalid")
    assert server.get("orders/", reference="a\0").json()["results"] == []
    problem(server.get("orders/", cursor="garbage"), 404, "not_found")


def test_one_order_and_what_was_sent_for_it(server: Server, shopper: Shopper) -> None:
    shopper.browser.defaults["HTTP_X_REQUEST_ID"] = "req-77"
    order = shopper.pay(new_order())
    found = server.get(f"orders/{order.public_id}/").json()
    assert (found["state"], found["successful"]) == ("paid", True)
    assert (found["captured"], found["left_to_refund"]) == ("12.50", "12.50")
    assert found["card"] == {"brand": "VISA", "last4": "4549", "expiry": "1230"}
    assert "client_secret" not in found
    sent = server.get(f"orders/{order.public_id}/operations/").json()
    assert [(row["kind"], row["outcome"]) for row in sent] == [
        ("authentication", "done"),
        ("validation", "done"),
        ("payment", "done"),
    ]
    assert sent[0]["request_id"] == "req-77"
    assert sent[2]["amount"] == "12.50"
    assert sent[0]["amount"] is None
    row = Operation.objects.get(kind="payment")
    assert sent[2]["correlation_id"] == row.correlation_id
    for unknown in ("0" * 32, "x", "%00", "%F0%9F%92%B3"):
        answer = server.browser.get(f"/api/payments/orders/{unknown}/")
        problem(answer, 404, "not_found")


def test_a_capture_in_parts_and_a_refund(server: Server, shopper: Shopper) -> None:
    order = shopper.pay(new_order(terminal="manual"))
    assert order.state == states.AUTHORIZED
    path = f"orders/{order.public_id}/"
    first = server.post(path + "capture/", {"amount": "5.00", "seen": "12.50"})
    assert first.status_code == 200, first.content
    assert first.json()["operation"]["kind"] == "capture"
    assert first.json()["operation"]["outcome"] == "done"
    assert first.json()["order"]["captured"] == "5.00"
    assert first.json()["order"]["left_to_capture"] == "7.50"
    rest = server.post(path + "capture/")
    assert rest.json()["order"]["captured"] == "12.50"

    number = first.json()["operation"]["id"]
    back = server.post(path + "refund/", {"amount": "2.00", "capture": number})
    assert back.json()["operation"]["outcome"] == "done"
    assert back.json()["order"]["refunded"] == "2.00"
    operation = Operation.objects.get(pk=back.json()["operation"]["id"])
    assert operation.of_id == number
    assert operation.actor == server.user
    assert operation.address == "10.1.2.3"
    body = problem(
        server.post(path + "refund/", {"capture": 999999}), 409, "no_such_capture"
    )
    assert body["title"] == "No such capture"
    assert Operation.objects.filter(kind="refund").count() == 1


def test_a_void_releases_it(server: Server, shopper: Shopper) -> None:
    order = shopper.pay(new_order(terminal="manual"))
    done = server.post(f"orders/{order.public_id}/void/").json()
    assert done["operation"]["kind"] == "void"
    assert done["order"]["state"] == "voided"
    refused = server.post(f"orders/{order.public_id}/void/")
    problem(refused, 409, "wrong_state")


def test_a_refund_repeated_with_its_key_is_one_refund(
    server: Server, shopper: Shopper, gateway: Simulator
) -> None:
    order = shopper.pay(new_order())
    path = f"orders/{order.public_id}/refund/"
    body = {"amount": "2.00"}
    first = server.post(path, body, "refund-key-1")
    second = server.post(path, body, "refund-key-1")
    assert first.json() == second.json()
    assert second["Idempotency-Replayed"] == "true"
    assert gateway.count("refunds") == 1
    order.refresh_from_db()
    assert order.refunded_amount == 200


def test_a_key_outlives_the_answer_that_was_kept(
    server: Server, shopper: Shopper, gateway: Simulator
) -> None:
    """The process died before the answer was on disk, or it was purged."""
    order = shopper.pay(new_order())
    path = f"orders/{order.public_id}/refund/"
    first = server.post(path, {"amount": "2.00"}, "refund-key-1")
    KeptAnswer.objects.all().delete()
    second = server.post(path, {"amount": "2.00"}, "refund-key-1")
    assert second.json()["operation"]["id"] == first.json()["operation"]["id"]
    assert gateway.count("refunds") == 1


@pytest.mark.parametrize(
    ("body", "code", "more"),
    [
        ({"amount": "12.51"}, "more_than_left", {"left": "12.50"}),
        ({"amount": "1.00", "seen": "10.00"}, "amount_changed", {"left": "12.50"}),
    ],
)
def test_no_more_than_is_left_and_was_seen(
    server: Server,
    shopper: Shopper,
    gateway: Simulator,
    body: dict[str, str],
    code: str,
    more: dict[str, str],
) -> None:
    order = shopper.pay(new_order())
    refused = problem(server.post(f"orders/{order.public_id}/refund/", body), 409, code)
    assert refused["order"] == order.public_id
    assert {name: refused[name] for name in more} == more
    assert gateway.count("refunds") == 0
    assert not Operation.objects.filter(kind="refund").exists()


def test_somebody_else_is_working_on_it(server: Server, shopper: Shopper) -> None:
    order = shopper.pay(new_order())
    Operation.objects.filter(kind="payment").update(
        outcome=states.OPEN, open_slot=order.pk
    )
    answer = server.post(f"orders/{order.public_id}/refund/", {}, "refund-key-1")
    problem(answer, 409, "order_busy")
    assert answer["Retry-After"] == "1"
    # nothing was kept: the same request may come again
    assert KeptAnswer.objects.get().body == ""


def test_asking_now_finds_the_lost_answer(
    server: Server, shopper: Shopper, gateway: Simulator
) -> None:
    order = new_order()
    form = shopper.start(order)
    fields = shopper.answer(form)
    gateway.lose_next_answer("payment")
    for _ in range(2):
        gateway.fail_next(f"/orders/{order.order_id}", status=500)
    shopper.come_back(form, fields)
    order.refresh_from_db()
    assert order.state == states.PAYING
    path = f"orders/{order.public_id}/reconcile/"
    answer = server.post(path, {}, "ask-key-1")
    assert answer.json()["state"] == "paid"
    assert server.post(path, {}, "ask-key-1").json() == answer.json()


def test_a_deed_whose_outcome_did_not_reach_the_disk_is_still_shown(
    server: Server, shopper: Shopper, monkeypatch: pytest.MonkeyPatch
) -> None:
    from django.db import OperationalError

    from nexi_payments.flows import ledger

    order = shopper.pay(new_order())

    def broken(*args: Any) -> bool:
        raise OperationalError("disk full")

    monkeypatch.setattr(ledger, "_close", broken)
    done = server.post(f"orders/{order.public_id}/refund/", {}).json()
    assert done["operation"]["outcome"] == "open"
    assert not KeptAnswer.objects.exclude(body="").exists()


def test_bodies_are_objects_in_strict_json(server: Server) -> None:
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
        problem(send(raw), 400, "invalid_body")
    problem(send(b""), 400, "invalid_body")
    problem(send(b"", "application/x-www-form-urlencoded"), 400, "invalid_body")
    problem(send(b" " * 600_000), 413, "body_too_large")
    problem(send(b"amount=1", "application/x-www-form-urlencoded"), 415, "not_json")
    problem(send(b"{}", "application/4349940199004549"), 415, "not_json")
    assert not PaymentOrder.objects.exists()


def test_a_problem_names_the_request_of_the_host(server: Server) -> None:
    server.headers["X-Request-ID"] = "req-77"
    body = problem(server.post("orders/", {}), 400, "invalid")
    assert body["request_id"] == "req-77"


def test_no_other_method(server: Server) -> None:
    order = new_order()
    for method in ("put", "patch", "delete", "options"):
        answer = getattr(server.browser, method)(
            f"/api/payments/orders/{order.public_id}/",
            {"state": "paid"},
            content_type="application/json",
        )
        problem(answer, 405, "method_not_allowed")
    order.refresh_from_db()
    assert order.state == states.INIT


def test_nothing_is_stored_by_browsers_nor_shown_as_a_page(server: Server) -> None:
    answer = server.browser.get(
        "/api/payments/orders/", headers={"Accept": "text/html"}
    )
    assert answer["Content-Type"] == "application/json"
    assert answer["Cache-Control"] == "no-store"
    assert answer["X-Content-Type-Options"] == "nosniff"


def test_the_pay_url_takes_a_shopper_to_the_card_page(server: Server) -> None:
    made = server.create()
    page = server.browser.get(made["pay_url"])
    assert page.status_code == 200
    assert Payer(made).look()["state"] == "init"


@pytest.mark.parametrize(
    "key",
    [
        "434994019900-4549-8000-000000000000",  # no UUID: the groups are others
        "order-4349940199004549",
        "4349 9401 9900 4549",
    ],
)
def test_a_card_number_is_no_key(server: Server, key: str) -> None:
    problem(server.post("orders/", PURCHASE, key), 400, "idempotency_key_missing")
    assert not KeptAnswer.objects.exists()


@pytest.mark.parametrize(
    "key", ["43499401-9900-4549-8000-000000000000", "4349940199004549" * 2]
)
def test_a_random_key_is_no_card_number(server: Server, key: str) -> None:
    """One UUID in some thousand has such digits."""
    assert server.post("orders/", PURCHASE, key).status_code == 201


@pytest.mark.parametrize("length", [None, "", "0", "abc", "-1"])
@pytest.mark.parametrize("deed", ["refund", "capture", "reconcile"])
def test_a_body_of_unknown_length_is_not_all_of_it(
    server: Server, shopper: Shopper, gateway: Simulator, length: str | None, deed: str
) -> None:
    order = shopper.pay(
        new_order(terminal="manual" if deed == "capture" else "default")
    )
    calls = len(gateway.calls)
    request = {"CONTENT_LENGTH": length} if length is not None else {}
    answer = server.browser.generic(
        "POST",
        f"/api/payments/orders/{order.public_id}/{deed}/",
        b"" if length is None else b'{"amount": "2.00"}',
        content_type="application/json",
        headers={"Idempotency-Key": "key-number-1"},
        **request,
    )
    problem(answer, 400, "invalid_body")
    assert len(gateway.calls) == calls
    assert not KeptAnswer.objects.exists()


def test_a_post_without_a_length_where_nothing_is_posted(
    server: Server, shopper: Shopper
) -> None:
    order = shopper.pay(new_order())
    answer = server.browser.generic("POST", f"/api/payments/orders/{order.public_id}/")
    problem(answer, 405, "method_not_allowed")


def test_a_refund_of_one_capture_is_found_again_when_its_answer_was_lost(
    server: Server, shopper: Shopper, gateway: Simulator
) -> None:
    order = shopper.pay(new_order(terminal="manual"))
    path = f"orders/{order.public_id}/"
    for amount in ("2.00", "3.00", "7.50"):
        server.post(path + "capture/", {"amount": amount})
    first = server.post(path + "refund/", {"amount": "7.50"}, "refund-key-1")
    assert first.json()["operation"]["outcome"] == "done"
    KeptAnswer.objects.all().delete()
    again = server.post(path + "refund/", {"amount": "7.50"}, "refund-key-1")
    assert again.status_code == 200
    assert again.json()["operation"]["id"] == first.json()["operation"]["id"]
    assert gateway.count("refunds") == 1


def test_two_keys_that_differ_in_case_are_two(
    server: Server, shopper: Shopper, gateway: Simulator
) -> None:
    order = shopper.pay(new_order())
    for key in ("refund-key-Ab", "refund-key-aB"):
        done = server.post(f"orders/{order.public_id}/refund/", {"amount": "2.00"}, key)
        assert "Idempotency-Replayed" not in done
    assert gateway.count("refunds") == 2


@pytest.mark.parametrize("position", ["abc", "", "2024-13-45", "\0", "2024-01-01x"])
def test_a_cursor_that_is_none(server: Server, position: str) -> None:
    cursor = base64.b64encode(f"p={position}".encode()).decode()
    problem(server.get("orders/", cursor=cursor), 404, "not_found")


@pytest.mark.parametrize("field", ["success_url", "failure_url"])
def test_an_address_that_cannot_be_taken_apart(server: Server, field: str) -> None:
    answer = server.post("orders/", {**PURCHASE, field: "https://[::1"})
    assert problem(answer, 400, "invalid")["errors"][0]["field"] == field
    with pytest.raises(ValueError, match="IPv6"):
        new_order(**{field: "https://[::1"})
    assert not PaymentOrder.objects.exists()


def test_thousands_of_unknown_members_get_a_short_answer(server: Server) -> None:
    many = {"".join(name): 1 for name in itertools.product("abcdef", repeat=5)}
    body = problem(server.post("orders/", many), 400, "invalid")
    assert len(body["errors"]) == 20
