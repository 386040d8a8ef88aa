"""Captures, refunds, voids and looks over the API."""

from __future__ import annotations

import pytest
from django.utils import timezone

from nexi_payments import flows
from nexi_payments.enums import EventKind, OperationKind, OrderState
from nexi_payments.models import Operation
from nexi_payments.models.bookkeeping import IdempotencyRecord
from nexi_payments.simulator import Simulator
from tests.support.api_clients import ShopServer, assert_problem
from tests.support.fault_injection import STORES_OUTCOME, database_fails
from tests.support.in_doubt import MINUTE, time_travel
from tests.support.shopper import Shopper, new_order
from tests.support.undecided import disputed_total, entry, show, show_total

pytestmark = pytest.mark.django_db(transaction=True)


def test_one_order_and_what_was_sent_for_it(
    server: ShopServer, shopper: Shopper
) -> None:
    shopper.browser.defaults["HTTP_X_REQUEST_ID"] = "req-77"
    order = shopper.pay(new_order())
    found = server.get(f"orders/{order.order_id}/").json()
    assert (found["state"], found["successful"]) == ("paid", True)
    assert (found["captured"], found["remaining_to_refund"]) == ("12.50", "12.50")
    assert found["card"] == {"brand": "VISA", "last4": "4549", "expiry": "1230"}
    assert "client_secret" not in found
    sent = server.get(f"orders/{order.order_id}/operations/").json()
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
    assert sent[2]["authorization_code"] == row.authorization_code != ""
    assert sent[2]["rrn"] == row.rrn != ""
    for unknown in ("0" * 32, "x", "%00", "%F0%9F%92%B3"):
        answer = server.browser.get(f"/api/payments/orders/{unknown}/")
        assert_problem(answer, 404, "not_found")


def test_what_was_made_at_nexi(server: ShopServer, shopper: Shopper) -> None:
    order = shopper.pay(new_order())
    made = entry(order, "REFUND", "REFUNDED", 300, "r-9")
    show(shopper.gateway, order, made)
    answer = server.post(f"orders/{order.order_id}/reconcile/")
    assert answer.json()["refunded"] == "3.00"
    rows = server.get(f"orders/{order.order_id}/operations/").json()
    assert [(row["kind"], row["adopted"], row["by_totals"]) for row in rows] == [
        ("authentication", False, False),
        ("validation", False, False),
        ("payment", False, False),
        ("refund", True, False),
    ]
    assert (rows[3]["correlation_id"], rows[3]["gateway_operation_id"]) == ("", "r-9")


def test_a_capture_that_only_the_total_shows(
    server: ShopServer, shopper: Shopper
) -> None:
    order = disputed_total(shopper)
    show_total(shopper.gateway, order, 500)
    with time_travel(4 * MINUTE):
        flows.accept_totals(order, reason="seen at Nexi")
    rows = server.get(f"orders/{order.order_id}/operations/").json()
    last = rows[-1]
    assert (last["kind"], last["amount"], last["adopted"], last["by_totals"]) == (
        "capture",
        "2.00",
        True,
        True,
    )


def test_a_capture_in_parts_and_a_refund(server: ShopServer, shopper: Shopper) -> None:
    order = shopper.pay(new_order(terminal="manual"))
    assert order.state == OrderState.AUTHORIZED
    path = f"orders/{order.order_id}/"
    first = server.post(
        path + "capture/", {"amount": "5.00", "expected_remaining": "12.50"}
    )
    assert first.status_code == 200, first.content
    assert first.json()["operation"]["kind"] == "capture"
    assert first.json()["operation"]["outcome"] == "done"
    assert first.json()["order"]["captured"] == "5.00"
    assert first.json()["order"]["remaining_to_capture"] == "7.50"
    rest = server.post(path + "capture/")
    assert rest.json()["order"]["captured"] == "12.50"

    number = first.json()["operation"]["id"]
    body = {"amount": "2.00", "capture": number, "reason": "returned"}
    back = server.post(path + "refund/", body)
    assert back.json()["operation"]["reason"] == "returned"
    assert back.json()["operation"]["outcome"] == "done"
    assert back.json()["order"]["refunded"] == "2.00"
    operation = Operation.objects.get(pk=back.json()["operation"]["id"])
    assert operation.capture_id == number
    assert operation.actor == server.user
    assert operation.address == "10.1.2.3"
    body = assert_problem(
        server.post(path + "refund/", {"capture": 999999}), 409, "capture_not_found"
    )
    assert body["title"] == "Capture not found"
    assert Operation.objects.filter(kind="refund").count() == 1


def test_a_void_releases_it(server: ShopServer, shopper: Shopper) -> None:
    order = shopper.pay(new_order(terminal="manual"))
    done = server.post(f"orders/{order.order_id}/void/").json()
    assert done["operation"]["kind"] == "void"
    assert done["order"]["state"] == "voided"
    refused = server.post(f"orders/{order.order_id}/void/")
    assert_problem(refused, 409, "invalid_state")


def test_a_refund_repeated_with_its_key_is_one_refund(
    server: ShopServer, shopper: Shopper, gateway: Simulator
) -> None:
    order = shopper.pay(new_order())
    path = f"orders/{order.order_id}/refund/"
    body = {"amount": "2.00"}
    first = server.post(path, body, "refund-key-1")
    second = server.post(path, body, "refund-key-1")
    assert first.json() == second.json()
    assert second["Idempotency-Replayed"] == "true"
    assert gateway.count("refunds") == 1
    order.refresh_from_db()
    assert order.refunded_amount == 200


def test_a_key_outlives_the_answer_that_was_kept(
    server: ShopServer, shopper: Shopper, gateway: Simulator
) -> None:
    """The process died before the answer was on disk, or it was purged."""
    order = shopper.pay(new_order())
    path = f"orders/{order.order_id}/refund/"
    first = server.post(path, {"amount": "2.00"}, "refund-key-1")
    IdempotencyRecord.objects.all().delete()
    second = server.post(path, {"amount": "2.00"}, "refund-key-1")
    assert second.json()["operation"]["id"] == first.json()["operation"]["id"]
    assert gateway.count("refunds") == 1


@pytest.mark.parametrize(
    ("body", "code", "more"),
    [
        ({"amount": "12.51"}, "exceeds_remaining", {"remaining": "12.50"}),
        (
            {"amount": "1.00", "expected_remaining": "10.00"},
            "amount_changed",
            {"remaining": "12.50"},
        ),
    ],
)
def test_no_more_than_is_left_and_was_seen(
    server: ShopServer,
    shopper: Shopper,
    gateway: Simulator,
    body: dict[str, str],
    code: str,
    more: dict[str, str],
) -> None:
    order = shopper.pay(new_order())
    refused = assert_problem(
        server.post(f"orders/{order.order_id}/refund/", body), 409, code
    )
    assert refused["order"] == order.order_id
    assert {name: refused[name] for name in more} == more
    assert gateway.count("refunds") == 0
    assert not Operation.objects.filter(kind="refund").exists()


def test_somebody_else_is_working_on_it(server: ShopServer, shopper: Shopper) -> None:
    order = shopper.pay(new_order())
    now = timezone.now()
    order.operations.create(
        kind=OperationKind.REFUND,
        unsettled_order_id=order.pk,
        amount=100,
        created_at=now,
        sent_at=now,
    )
    answer = server.post(f"orders/{order.order_id}/refund/", {}, "refund-key-1")
    assert_problem(answer, 409, "order_busy")
    assert answer["Retry-After"] == "1"
    # nothing was kept: the same request may come again
    assert IdempotencyRecord.objects.get().body == ""


def test_asking_now_finds_the_lost_answer(
    server: ShopServer, shopper: Shopper, gateway: Simulator
) -> None:
    order = new_order()
    form = shopper.start(order)
    fields = shopper.answer_challenge(form)
    gateway.lose_next_answer("payment")
    for _ in range(2):
        gateway.fail_next(f"/orders/{order.order_id}", status=500)
    shopper.return_from_issuer(form, fields)
    order.refresh_from_db()
    assert order.state == OrderState.PAYING
    path = f"orders/{order.order_id}/reconcile/"
    answer = server.post(path, {}, "ask-key-1")
    assert answer.json()["state"] == "paid"
    assert server.post(path, {}, "ask-key-1").json() == answer.json()
    [asked] = order.events.filter(kind=EventKind.INQUIRED)
    assert (asked.actor, asked.address) == (server.user, "10.1.2.3")
    assert (asked.from_state, asked.to_state) == (OrderState.PAID, OrderState.PAID)


def test_a_deed_whose_outcome_did_not_reach_the_disk_is_still_shown(
    server: ShopServer, shopper: Shopper
) -> None:
    order = shopper.pay(new_order())
    with database_fails(*STORES_OUTCOME):
        done = server.post(f"orders/{order.order_id}/refund/", {}).json()
    assert done["operation"]["outcome"] == "open"
    assert not IdempotencyRecord.objects.exclude(body="").exists()


def test_a_refund_of_one_capture_is_found_again_when_its_answer_was_lost(
    server: ShopServer, shopper: Shopper, gateway: Simulator
) -> None:
    order = shopper.pay(new_order(terminal="manual"))
    path = f"orders/{order.order_id}/"
    for amount in ("2.00", "3.00", "7.50"):
        server.post(path + "capture/", {"amount": amount})
    first = server.post(path + "refund/", {"amount": "7.50"}, "refund-key-1")
    assert first.json()["operation"]["outcome"] == "done"
    IdempotencyRecord.objects.all().delete()
    again = server.post(path + "refund/", {"amount": "7.50"}, "refund-key-1")
    assert again.status_code == 200
    assert again.json()["operation"]["id"] == first.json()["operation"]["id"]
    assert gateway.count("refunds") == 1
