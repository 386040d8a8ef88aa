"""Phone orders over the API: order and card at once, charged once."""

from __future__ import annotations

from typing import Any

import pytest

from nexi_payments import flows
from nexi_payments.enums import OrderState
from nexi_payments.models import Operation, PaymentOrder
from nexi_payments.models.bookkeeping import IdempotencyRecord
from nexi_payments.simulator import Simulator
from tests.support.api_clients import PURCHASE, ShopServer, assert_problem, card_fields
from tests.support.fault_injection import STORES_OUTCOME, database_fails
from tests.support.lookups import CUPS, Shop, lookups  # noqa: F401

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def clerk(gateway: Simulator) -> ShopServer:
    return ShopServer("take_moto")


def call(ending: str = "challenge", **changes: Any) -> dict[str, Any]:
    return {**PURCHASE, **card_fields(ending), **changes}


def test_a_card_is_charged_by_telephone(clerk: ShopServer, gateway: Simulator) -> None:
    answer = clerk.post("moto/", call(description="Three cups"))
    assert answer.status_code == 201, answer.content
    found = answer.json()
    assert (found["state"], found["channel"], found["terminal"]) == (
        "paid",
        "moto",
        "moto",
    )
    assert found["captured"] == "12.50"
    order = PaymentOrder.objects.get(order_id=found["id"])
    assert order.clerk == clerk.user
    operation = order.operations.get()
    assert (operation.kind, operation.actor, operation.address) == (
        "moto",
        clerk.user,
        "10.1.2.3",
    )
    assert gateway.count("moto") == 1


def test_a_decline_is_an_answer(clerk: ShopServer) -> None:
    answer = clerk.post("moto/", call("declined"))
    assert answer.status_code == 201
    assert (answer.json()["state"], answer.json()["reason"]) == ("failed", "declined")
    assert answer.json()["response_code"] == "116"


def test_a_lost_answer_is_paying_or_found(
    clerk: ShopServer, gateway: Simulator
) -> None:
    answer = clerk.post("moto/", call("answer_lost"))
    assert answer.json()["state"] == "paid"  # the look-up after it has found it
    assert gateway.count("moto") == 1


def test_the_same_key_charges_once(clerk: ShopServer, gateway: Simulator) -> None:
    first = clerk.post("moto/", call(), "moto-key-1")
    again = clerk.post("moto/", call(), "moto-key-1")
    other_card = clerk.post("moto/", call("declined"), "moto-key-1")
    assert first.status_code == 201
    assert (again.status_code, other_card.status_code) == (200, 200)
    assert again.json() == first.json() == other_card.json()
    assert gateway.count("moto") == 1
    # no answer is kept of a card, only which payment it led to
    assert IdempotencyRecord.objects.get().body == f'{{"id": "{first.json()["id"]}"}}'
    changed = clerk.post("moto/", call(amount="99.00"), "moto-key-1")
    assert_problem(changed, 409, "idempotency_key_reused")
    assert gateway.count("moto") == 1


def test_a_died_process_charges_when_it_is_asked_again(
    clerk: ShopServer, gateway: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the order and the charge: the order is there, no money has moved."""
    from nexi_payments.flows import moto

    real = moto.pay_moto

    def dies(*args: Any, **kwargs: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(moto, "pay_moto", dies)
    with pytest.raises(KeyboardInterrupt):
        clerk.post("moto/", call(), "moto-key-1")
    monkeypatch.setattr(moto, "pay_moto", real)
    assert gateway.count("moto") == 0
    answer = clerk.post("moto/", call(), "moto-key-1")
    assert (answer.status_code, answer.json()["state"]) == (201, "paid")
    assert PaymentOrder.objects.count() == 1


def test_a_paid_reference_is_not_charged_again(
    clerk: ShopServer, gateway: Simulator
) -> None:
    first = clerk.post("moto/", call())
    again = clerk.post("moto/", call())
    assert again.status_code == 200
    assert again.json()["id"] == first.json()["id"]
    assert_problem(clerk.post("moto/", call(amount="9.00")), 409, "reference_in_use")
    assert gateway.count("moto") == 1


def test_the_same_card_and_amount_needs_a_word(
    clerk: ShopServer, gateway: Simulator
) -> None:
    clerk.post("moto/", call())
    twin = call(reference="R-2")
    body = assert_problem(clerk.post("moto/", twin), 409, "possible_duplicate")
    order = PaymentOrder.objects.get(order_id=body["order"])
    assert (order.reference, order.state) == ("R-2", OrderState.INIT)
    assert gateway.count("moto") == 1
    meant = clerk.post("moto/", {**twin, "allow_duplicate": True})
    assert (meant.status_code, meant.json()["state"]) == (201, "paid")
    assert gateway.count("moto") == 2


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"card_number": "1"}, 400, "invalid"),
        ({"reference": ""}, 400, "invalid"),
        ({"terminal": "default"}, 409, "moto_not_allowed"),
        ({"terminal": "nowhere"}, 400, "invalid"),
        ({"amount": "1000.01"}, 400, "invalid_amount"),
        ({"allow_duplicate": "yes"}, 400, "invalid"),
        ({"clerk": 1}, 400, "invalid"),
        ({"nonce": "x"}, 400, "invalid"),
    ],
)
def test_what_does_not_fit_charges_nothing(
    clerk: ShopServer,
    gateway: Simulator,
    changes: dict[str, Any],
    status: int,
    code: str,
) -> None:
    assert_problem(clerk.post("moto/", call(**changes)), status, code)
    assert gateway.calls == ()
    assert not Operation.objects.exists()
    assert not PaymentOrder.objects.exists()


def test_a_missing_reference_is_named(clerk: ShopServer) -> None:
    body = call()
    del body["reference"]
    found = assert_problem(clerk.post("moto/", body), 400, "invalid")
    assert [row["field"] for row in found["errors"]] == ["reference"]


def test_a_card_forbidden_for_this_purchase(
    clerk: ShopServer, gateway: Simulator
) -> None:
    assert clerk.post("moto/", call("excess_reattempts")).json()["state"] == "failed"
    assert_problem(clerk.post("moto/", call("excess_reattempts")), 409, "card_blocked")
    assert gateway.count("moto") == 1


def test_an_outcome_that_did_not_reach_the_disk_is_paying(clerk: ShopServer) -> None:
    with database_fails(*STORES_OUTCOME):
        answer = clerk.post("moto/", call())
    assert (answer.status_code, answer.json()["state"]) == (201, "paying")


def test_a_desk_without_a_terminal(
    clerk: ShopServer, change_settings: Any, gateway: Simulator
) -> None:
    change_settings(TERMINALS={"default": {"ENVIRONMENT": "simulator"}})
    assert_problem(clerk.post("moto/", call()), 409, "moto_not_allowed")
    assert gateway.calls == ()


def test_too_many_refusals_of_one_user(
    clerk: ShopServer, gateway: Simulator, change_settings: Any
) -> None:
    change_settings(RATE_LIMITS={"clerk": (1, 600), "everyone": None})
    assert clerk.post("moto/", call("declined")).json()["state"] == "failed"
    answer = clerk.post("moto/", call(), "try-again")
    refused = assert_problem(answer, 429, "too_many_attempts")
    assert (refused["retry_after"], answer["Retry-After"]) == (600, "600")
    order = PaymentOrder.objects.get(order_id=refused["order"])
    assert (order.state, order.operations.count()) == ("init", 0)
    assert gateway.count("POST /orders/moto") == 1
    change_settings(RATE_LIMITS="off")
    assert clerk.post("moto/", call(), "try-again").json()["state"] == "paid"


def test_an_empty_post_of_a_form_is_no_card(clerk: ShopServer) -> None:
    answer = clerk.browser.post("/api/payments/moto/", b"", content_type="text/plain")
    assert answer.status_code == 400
    form = "application/x-www-form-urlencoded"
    assert_problem(
        clerk.browser.post("/api/payments/moto/", b"", content_type=form),
        400,
        "invalid_body",
    )


def test_a_key_stays_with_its_payment_when_that_was_given_back(
    clerk: ShopServer, gateway: Simulator
) -> None:
    clerk.post("moto/", call(), "moto-key-A")
    joined = clerk.post("moto/", call(), "moto-key-B").json()
    order = PaymentOrder.objects.get(order_id=joined["id"])
    flows.refund(order)
    again = clerk.post("moto/", call(), "moto-key-B")
    assert (again.status_code, again.json()["state"]) == (200, "refunded")
    assert again.json()["id"] == joined["id"]
    assert gateway.count("moto") == 1
    assert PaymentOrder.objects.count() == 1


def test_a_key_stays_with_its_payment_when_that_was_declined(
    clerk: ShopServer, gateway: Simulator
) -> None:
    first = clerk.post("moto/", call("declined"), "moto-key-A").json()
    again = clerk.post("moto/", call(), "moto-key-A").json()
    assert (again["id"], again["state"]) == (first["id"], "failed")
    assert gateway.count("moto") == 1


def test_a_key_whose_order_was_joined_and_meant_is_one_charge(
    clerk: ShopServer, gateway: Simulator
) -> None:
    clerk.post("moto/", call())
    twin = call(reference="R-2")
    assert_problem(clerk.post("moto/", twin, "moto-key-A"), 409, "possible_duplicate")
    meant = {**twin, "allow_duplicate": True}
    paid = clerk.post("moto/", meant, "moto-key-B").json()
    flows.refund(PaymentOrder.objects.get(order_id=paid["id"]))
    again = clerk.post("moto/", meant, "moto-key-B").json()
    assert (again["id"], again["state"]) == (paid["id"], "refunded")
    assert gateway.count("moto") == 2


def test_a_name_that_cannot_be_written_down(
    clerk: ShopServer, gateway: Simulator
) -> None:
    body = assert_problem(
        clerk.post("moto/", call(cardholder_name="Giulia \ud800")), 400, "invalid"
    )
    assert [row["field"] for row in body["errors"]] == ["cardholder_name"]
    long = assert_problem(
        clerk.post("moto/", call(cardholder_name="x" * 101)), 400, "invalid"
    )
    assert "100" in long["errors"][0]["detail"]
    assert gateway.calls == ()
    assert not IdempotencyRecord.objects.exists()


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"reference": "R-2"}, 409, "shop_order_unknown"),
        ({"amount": "2.50"}, 409, "shop_order_differs"),
        ({}, 503, "shop_order_unavailable"),
    ],
)
def test_strict_phone_orders_are_those_of_the_shop(
    clerk: ShopServer,
    gateway: Simulator,
    lookups: Shop,  # noqa: F811
    change_settings: Any,
    change: dict[str, str],
    status: int,
    code: str,
) -> None:
    lookups.orders["R-1"] = CUPS
    if status == 503:
        lookups.failure = LookupError("away")
    change_settings(REFERENCE_LOOKUP_STRICT=True)
    assert_problem(clerk.post("moto/", call(**change)), status, code)
    assert not PaymentOrder.objects.exists()
    assert not IdempotencyRecord.objects.exists()
    assert gateway.calls == ()
    lookups.failure = None
    answer = clerk.post("moto/", call())
    assert (answer.status_code, answer.json()["state"]) == (201, "paid")
    assert answer.json()["description"] == "Three cups"


def test_other_phone_orders_are_the_servers_word(
    clerk: ShopServer,
    gateway: Simulator,
    lookups: Shop,  # noqa: F811
) -> None:
    lookups.orders["R-1"] = CUPS
    answer = clerk.post("moto/", call(amount="2.50"))
    assert (answer.status_code, answer.json()["amount"]) == (201, "2.50")
    assert lookups.asked == [("R-1", "moto", clerk.user)]
