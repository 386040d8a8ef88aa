"""Cards on file and cancelled captures over the API."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from nexi_payments import flows
from nexi_payments.api import idempotency
from nexi_payments.enums import Channel, OperationOutcome, OrderState
from nexi_payments.flows.orders import attempts
from nexi_payments.models import Contract, PaymentOrder
from nexi_payments.simulator import Reply, Simulator
from nexi_payments.testing import CardDataScan
from tests.support.api_clients import (
    PURCHASE,
    PayerClient,
    ShopServer,
    assert_problem,
    card_fields,
)
from tests.support.contracts import MIT_ENDPOINT, MONTHLY, make_contract
from tests.support.shopper import CARDS, Shopper, new_order

pytestmark = pytest.mark.django_db(transaction=True)
CHARGE = {"amount": "9.00", "currency": "EUR", "reference": "S-1"}


def test_a_card_is_kept_by_who_pays_and_agrees(
    server: ShopServer, gateway: Simulator
) -> None:
    terms = {"description": "Coffee", "interval_days": 30, "amount": "9.00"}
    answer = server.post(
        "orders/", {**PURCHASE, "contract": terms, "exemption": "CHALLENGE_REQUESTED"}
    )
    made = answer.json()
    assert answer.status_code == 201
    order = PaymentOrder.objects.get(order_id=made["id"])
    assert made["contract"] == order.contract.contract_id
    assert made["exemption"] == "CHALLENGE_REQUESTED"
    payer = PayerClient(order)
    words = payer.get(f"checkout/{order.order_id}/").json()["consent_text"]
    assert "charges €9.00 to it every 30 days." in words
    refused = payer.post(f"checkout/{order.order_id}/pay/", card_fields())
    assert_problem(refused, 409, "consent_required")
    assert gateway.calls == ()
    with CardDataScan(CARDS["challenge"].number) as leaks:
        answer = payer.post(
            f"checkout/{order.order_id}/pay/", card_fields(consent=True)
        )
    assert leaks.findings() == []
    assert answer.json()["next_action"]["type"] == "redirect"
    order.contract.refresh_from_db()
    assert order.contract.consent_text == words


def test_nothing_to_agree_to_is_an_empty_text(
    server: ShopServer, shopper: Shopper
) -> None:
    order = new_order()
    payer = PayerClient(order)
    assert payer.get(f"checkout/{order.order_id}/").json()["consent_text"] == ""
    answer = payer.post(f"checkout/{order.order_id}/pay/", card_fields(consent=False))
    assert answer.json()["next_action"]["type"] == "redirect"


@pytest.mark.parametrize(
    "terms",
    [
        {"interval_days": 0},
        {"interval_days": 10_000},
        {"amount": "9.00"},
        {"until": "2001-01-01"},
        {"until": "soon"},
        {"customer_id": "x" * 28},
        {"days": 3},
    ],
)
def test_terms_that_cannot_be(server: ShopServer, terms: dict[str, Any]) -> None:
    answer = server.post("orders/", {**PURCHASE, "contract": terms})
    assert_problem(answer, 400, "invalid")
    assert not PaymentOrder.objects.exists()
    assert not Contract.objects.exists()


def test_cards_are_listed_and_read(server: ShopServer, shopper: Shopper) -> None:
    one = make_contract(shopper, terms=flows.ContractTerms("Tea", customer_id="C1"))
    two = make_contract(shopper, terms=MONTHLY)
    found = server.get("contracts/").json()["results"]
    assert [each["id"] for each in found] == [two.contract_id, one.contract_id]
    found = server.get("contracts/", customer_id="C1").json()["results"]
    assert [each["id"] for each in found] == [one.contract_id]
    assert server.get("contracts/", state="ended").json()["results"] == []
    assert server.get("contracts/", state="odd").status_code == 400
    shown = server.get(f"contracts/{two.contract_id}/").json()
    assert (shown["brand"], shown["last4"], shown["expiry"]) == ("VISA", "4549", "1230")
    assert (shown["interval_days"], shown["amount"], shown["state"]) == (
        30,
        "9.00",
        "active",
    )
    assert server.get("contracts/NOBODY/").status_code == 404


def test_a_charge_is_made_once_whatever_the_key(
    server: ShopServer, shopper: Shopper, gateway: Simulator
) -> None:
    kept = make_contract(shopper)
    where = f"contracts/{kept.contract_id}/charge/"
    first = server.post(where, CHARGE)
    assert (first.status_code, first.json()["state"]) == (200, "paid")
    assert first.json()["contract"] == kept.contract_id
    assert server.post(where, CHARGE).json()["id"] == first.json()["id"]
    assert gateway.counts[MIT_ENDPOINT] == 1
    other = server.post(where, {**CHARGE, "amount": "10.00"})
    assert_problem(other, 409, "reference_in_use")


def test_a_reference_of_the_plan_is_refused(
    server: ShopServer, shopper: Shopper, gateway: Simulator
) -> None:
    kept = make_contract(shopper, terms=MONTHLY, reference="SUB-7")
    where = f"contracts/{kept.contract_id}/charge/"
    answer = server.post(where, {**CHARGE, "reference": "SUB-7/1"})
    assert_problem(answer, 400, "invalid_reference")
    assert gateway.counts[MIT_ENDPOINT] == 0


def test_a_decline_on_file_is_an_answer(server: ShopServer, shopper: Shopper) -> None:
    kept = make_contract(shopper, "mit_declined")
    answer = server.post(f"contracts/{kept.contract_id}/charge/", CHARGE)
    assert answer.status_code == 200
    assert (answer.json()["state"], answer.json()["response_code"]) == ("failed", "116")


def test_a_charge_repeated_with_its_key_is_the_one_that_was_declined(
    server: ShopServer,
    shopper: Shopper,
    gateway: Simulator,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The process dies between Nexi's answer and ours."""
    kept = make_contract(shopper, "mit_declined")
    where = f"contracts/{kept.contract_id}/charge/"

    def die(*args: Any) -> None:
        raise RuntimeError("killed")

    with monkeypatch.context() as dying:
        dying.setattr(idempotency, "store_response", die)
        with pytest.raises(RuntimeError, match="killed"):
            server.post(where, CHARGE, key="0b1f6bd4-one")
    [one] = PaymentOrder.objects.filter(channel=Channel.MIT)
    gateway.next_reply("orders/mit", Reply(500))
    other = server.post(where, CHARGE).json()
    assert (other["id"] != one.order_id, other["state"]) == (True, "paying")
    again = server.post(where, CHARGE, key="0b1f6bd4-one")
    assert (again.json()["id"], again.json()["state"]) == (one.order_id, "failed")
    assert gateway.counts[MIT_ENDPOINT] == 2


@pytest.mark.parametrize("late", [False, True])
def test_a_nonce_is_one_charge_also_beside_a_faster_twin(
    server: ShopServer,
    shopper: Shopper,
    gateway: Simulator,
    monkeypatch: pytest.MonkeyPatch,
    late: bool,
) -> None:
    kept = make_contract(shopper, "mit_declined")
    first = flows.charge_contract(
        kept, Decimal("10.00"), "EUR", reference="S-1", nonce="n-1"
    )
    if late:  # its twin was not there yet when it was looked for
        real = attempts.find_by_nonce
        seen = iter([None])
        monkeypatch.setattr(
            attempts, "find_by_nonce", lambda order: next(seen, real(order))
        )
    again = flows.charge_contract(
        kept, Decimal("10.00"), "EUR", reference="S-1", nonce="n-1"
    )
    assert (first.state, again) == (OrderState.FAILED, first)
    assert gateway.counts[MIT_ENDPOINT] == 1


def test_a_card_is_ended(
    server: ShopServer, shopper: Shopper, gateway: Simulator
) -> None:
    kept = make_contract(shopper)
    gateway.fail_next("deactivation")
    answer = server.post(f"contracts/{kept.contract_id}/end/", {})
    assert_problem(answer, 503, "contract_end_unconfirmed")
    answer = server.post(f"contracts/{kept.contract_id}/end/", {})
    assert answer.json()["state"] == "ended"
    answer = server.post(f"contracts/{kept.contract_id}/charge/", CHARGE)
    assert_problem(answer, 409, "contract_not_usable")
    assert gateway.counts[MIT_ENDPOINT] == 0


def test_a_split_shipment_shows_what_is_left(
    server: ShopServer, shopper: Shopper, gateway: Simulator
) -> None:
    order = shopper.pay(new_order(terminal="manual"))
    at = f"orders/{order.order_id}/"
    first = server.post(at + "capture/", {"amount": "5.00"}).json()
    assert first["order"]["remaining_to_capture"] == "7.50"
    second = server.post(at + "capture/", {"amount": "3.00"}).json()
    assert second["order"]["remaining_to_refund"] == "8.00"
    one, two = first["operation"]["id"], second["operation"]["id"]
    server.post(at + "refund/", {"amount": "2.00", "capture": one})
    answer = server.post(at + "cancel-capture/", {})
    assert_problem(answer, 409, "ambiguous_capture")
    answer = server.post(at + "cancel-capture/", {"capture": one})
    assert_problem(answer, 409, "exceeds_remaining")
    assert answer.json()["remaining"] == "3.00"
    done = server.post(at + "cancel-capture/", {"capture": two}).json()
    assert (done["operation"]["kind"], done["operation"]["outcome"]) == (
        "cancel",
        "done",
    )
    assert done["operation"]["capture"] == two
    assert done["order"]["remaining_to_capture"] == "7.50"
    assert done["order"]["remaining_to_refund"] == "3.00"
    rows = server.get(at + "operations/").json()
    left = {row["id"]: row["remaining_to_refund"] for row in rows}
    assert (left[one], left[two]) == ("3.00", "0.00")
    assert gateway.charge_of(order.order_id).captured == 500


def test_a_cancel_repeated_with_its_key_is_one(
    server: ShopServer, shopper: Shopper, gateway: Simulator
) -> None:
    order = shopper.pay(new_order(terminal="manual"))
    flows.capture(order, Decimal("5.00"))
    gateway.next_reply("cancels", Reply(500))
    at = f"orders/{order.order_id}/cancel-capture/"
    first = server.post(at, {}, key="one-key-of-mine")
    assert first.json()["operation"]["outcome"] == "in_doubt"
    again = server.post(at, {}, key="one-key-of-mine")
    assert again.json() == first.json()
    assert gateway.counts["POST /operations/{id}/cancels"] == 1
    [capture] = flows.available(order).effective_captures
    assert capture.operation.outcome == OperationOutcome.DONE
