"""Approvals by the API: asked for by a money action, decided by another user."""

from __future__ import annotations

from typing import Any

import pytest

from nexi_payments.models import Approval, Operation, PaymentOrder
from nexi_payments.simulator import Simulator
from nexi_payments.testing import CardDataScan
from tests.support.api_clients import PURCHASE, ShopServer, assert_problem, card_fields
from tests.support.approvals import CEILINGS
from tests.support.shopper import CARDS, Shopper, new_order

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.seen_on("sqlite", "postgresql"),
]

REFUND = "POST /operations/{id}/refunds"
MOTO = "POST /orders/moto"
KEY = "refund-number-1"


@pytest.fixture(autouse=True)
def ceilings(change_settings: Any, gateway: Simulator) -> None:
    change_settings(APPROVAL_CEILINGS=CEILINGS)


@pytest.fixture
def paid(shopper: Shopper) -> PaymentOrder:
    return shopper.pay(new_order(reference="R-1"))


def ask(server: ShopServer, paid: PaymentOrder, value: str = "6.00") -> Any:
    return server.post(f"orders/{paid.order_id}/refund/", {"amount": value}, KEY)


def test_a_refund_above_the_ceiling(paid: PaymentOrder, gateway: Simulator) -> None:
    clerk, chief = ShopServer("refund_payment"), ShopServer("approve_payment")
    answer = ask(clerk, paid)
    assert_problem(answer, 409, "approval_required")
    approval = Approval.objects.get()
    problem = answer.json()
    assert (problem["approval"], problem["approval_state"], problem["order"]) == (
        approval.pk,
        "waiting",
        paid.order_id,
    )
    assert (gateway.count(REFUND), Operation.objects.filter(kind="refund").count()) == (
        0,
        0,
    )
    assert ask(clerk, paid).json()["approval"] == approval.pk  # the same key
    (listed,) = chief.get("approvals/", state="waiting").json()["results"]
    assert (listed["id"], listed["amount"], listed["asked_by"]) == (
        approval.pk,
        "6.00",
        clerk.user.username,
    )
    done = chief.post(f"approvals/{approval.pk}/approve/", {}, "approve-number-1")
    assert done.status_code == 200, done.content
    shown = done.json()
    assert (shown["state"], shown["decided_by"]) == ("used", chief.user.username)
    assert (shown["operation"]["outcome"], shown["operation"]["amount"]) == (
        "done",
        "6.00",
    )
    again = chief.post(f"approvals/{approval.pk}/approve/", {}, "approve-number-1")
    assert again["Idempotency-Replayed"] == "true"
    # the first request, repeated with its key, finds the refund
    answer = ask(clerk, paid)
    assert answer.status_code == 200
    assert answer.json()["operation"]["id"] == shown["operation"]["id"]
    assert gateway.count(REFUND) == 1


def test_refused(paid: PaymentOrder, gateway: Simulator) -> None:
    clerk, chief = ShopServer("refund_payment"), ShopServer("approve_payment")
    number = ask(clerk, paid).json()["approval"]
    assert chief.post(f"approvals/{number}/refuse/", {}).status_code == 400
    answer = chief.post(f"approvals/{number}/refuse/", {"reason": "wrong"})
    assert (answer.json()["state"], answer.json()["decision_reason"]) == (
        "refused",
        "wrong",
    )
    answer = chief.post(f"approvals/{number}/approve/")
    assert_problem(answer, 409, "approval_closed")
    assert answer.json()["approval_state"] == "refused"
    assert ask(clerk, paid).json()["approval_state"] == "refused"
    assert gateway.count(REFUND) == 0


def test_nobody_approves_their_own(paid: PaymentOrder, gateway: Simulator) -> None:
    both = ShopServer("refund_payment", "approve_payment")
    number = ask(both, paid).json()["approval"]
    answer = both.post(f"approvals/{number}/approve/")
    assert_problem(answer, 403, "approval_not_allowed")
    assert (Approval.objects.get().state, gateway.count(REFUND)) == ("waiting", 0)
    assert both.post(f"approvals/{number}/refuse/", {"reason": "typo"}).json()[
        "state"
    ] == ("withdrawn")


def test_an_amount_that_changed(paid: PaymentOrder, gateway: Simulator) -> None:
    clerk, chief = ShopServer("refund_payment"), ShopServer("approve_payment")
    number = ask(clerk, paid).json()["approval"]
    gateway.make_at_nexi(paid.order_id, "refund", 100)
    answer = chief.post(f"approvals/{number}/approve/")
    assert_problem(answer, 409, "amount_changed")
    assert chief.get(f"approvals/{number}/").json()["failure"] == "amount"
    assert gateway.count(REFUND) == 0


def test_who_asked_may_read_it_and_no_other(paid: PaymentOrder) -> None:
    clerk = ShopServer("take_moto")
    body = {**PURCHASE, **card_fields(), "reference": "T-1"}
    number = clerk.post("moto/", body).json()["approval"]
    assert clerk.get(f"approvals/{number}/").json()["kind"] == "moto"
    other = ShopServer("take_moto")
    assert_problem(other.get(f"approvals/{number}/"), 403, "permission_denied")
    refusal = other.post(f"approvals/{number}/refuse/", {"reason": "x"})
    assert_problem(refusal, 403, "permission_denied")
    assert_problem(clerk.get("approvals/999999/"), 404, "not_found")


def test_a_phone_order_above_the_ceiling(gateway: Simulator) -> None:
    clerk, chief = ShopServer("take_moto"), ShopServer("approve_payment")
    body = {**PURCHASE, **card_fields(), "reference": "T-1"}
    answer = clerk.post("moto/", body, KEY)
    assert_problem(answer, 409, "approval_required")
    number = answer.json()["approval"]
    assert (len(gateway.calls), PaymentOrder.objects.get().state) == (0, "init")
    assert CardDataScan(CARDS["challenge"].number).findings() == []
    answer = chief.post(f"approvals/{number}/approve/")
    assert (answer.json()["state"], answer.json()["operation"]) == ("approved", None)
    assert gateway.count(MOTO) == 0
    answer = clerk.post("moto/", body, KEY)
    assert (answer.status_code, answer.json()["state"]) == (201, "paid")
    assert clerk.post("moto/", body, KEY).status_code == 200
    assert gateway.count(MOTO) == 1
    assert chief.get(f"approvals/{number}/").json()["state"] == "used"


@pytest.mark.parametrize("number", ["0", "9" * 30, "-1"])
def test_an_id_that_is_none_is_a_problem_like_any_other(number: str) -> None:
    server = ShopServer("approve_payment", "view_paymentorder")
    for answer in (
        server.get(f"approvals/{number}/"),
        server.post(f"approvals/{number}/approve/", {}),
        server.post(f"approvals/{number}/refuse/", {"reason": "no"}),
    ):
        assert answer.status_code == 404
        assert answer["Content-Type"] == "application/problem+json"
