"""A card is verified over the API: asked once for a key, kept without the card."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from nexi_payments.enums import OperationOutcome
from nexi_payments.flows.ledger import terminal_outages
from nexi_payments.models import CardVerification, PaymentOrder
from nexi_payments.models.bookkeeping import IdempotencyRecord
from nexi_payments.simulator import Reply, Simulator
from nexi_payments.testing import CardDataScan
from tests.support.api_clients import ShopServer, assert_problem, card_fields
from tests.support.database import broken_update

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.seen_on("sqlite", "postgresql"),
]
VERIFY = "POST /orders/card_verification"


@pytest.fixture
def clerk(gateway: Simulator) -> ShopServer:
    return ShopServer("verify_card")


def test_a_good_card(clerk: ShopServer, gateway: Simulator) -> None:
    gateway.keep_bodies()
    with CardDataScan() as leaks:
        answer = clerk.post("card-verifications/", card_fields())
    assert leaks.findings() == []
    check = CardVerification.objects.get()
    assert answer.status_code == 201
    assert answer.json() == {
        "id": check.order_id,
        "outcome": "done",
        "successful": True,
        "terminal_rejected": False,
        "response_code": "000",
        "terminal": "moto",
        "card": {"brand": "VISA", "last4": "4549", "expiry": "1230"},
        "correlation_id": check.correlation_id,
        "created_at": answer.json()["created_at"],
    }
    assert (check.actor, check.address) == (clerk.user, "10.1.2.3")
    asked = gateway.calls[-1].request_body["order"]
    assert (asked["amount"], asked["currency"]) == ("0", "EUR")
    assert asked["customerInfo"] == {"cardHolderName": "Giulia Bianchi"}
    assert not PaymentOrder.objects.exists()
    again = clerk.get(f"card-verifications/{check.order_id}/")
    assert (again.status_code, again.json()) == (200, answer.json())
    assert gateway.counts[VERIFY] == 1


@pytest.mark.parametrize(
    ("ending", "outcome", "code"),
    [
        ("lost_card", "declined", "208"),
        ("gateway_down", "not_sent", ""),
        ("answer_lost", "in_doubt", ""),
    ],
)
def test_whatever_comes_is_an_answer(
    clerk: ShopServer, ending: str, outcome: str, code: str
) -> None:
    found = clerk.post("card-verifications/", card_fields(ending)).json()
    assert (found["outcome"], found["response_code"]) == (outcome, code)
    assert (found["successful"], found["terminal_rejected"]) == (False, False)


def test_the_key_of_the_shop_is_the_matter(
    clerk: ShopServer, gateway: Simulator
) -> None:
    for path in ("card_verification", "/payment_methods"):
        gateway.next_reply(path, Reply(401))
    found = clerk.post("card-verifications/", card_fields()).json()
    assert (found["outcome"], found["terminal_rejected"]) == ("not_sent", True)
    refused = clerk.post("card-verifications/", card_fields(), "check-key-1")
    assert_problem(refused, 503, "terminal_unavailable")
    assert gateway.counts[VERIFY] == 1
    assert terminal_outages.probe() == 1
    mended = clerk.post("card-verifications/", card_fields(), "check-key-1")
    assert (mended.status_code, mended.json()["outcome"]) == (201, "done")


def test_the_same_key_asks_once(clerk: ShopServer, gateway: Simulator) -> None:
    first = clerk.post("card-verifications/", card_fields(), "check-key-1")
    again = clerk.post("card-verifications/", card_fields(), "check-key-1")
    other_card = clerk.post(
        "card-verifications/", card_fields("lost_card"), "check-key-1"
    )
    assert first.status_code == 201
    assert (again.status_code, other_card.status_code) == (200, 200)
    assert again.json() == first.json() == other_card.json()
    # no answer is kept of a card
    assert IdempotencyRecord.objects.get().body == ""
    changed = {**card_fields(), "currency": "CHF"}
    reused = clerk.post("card-verifications/", changed, "check-key-1")
    assert_problem(reused, 409, "idempotency_key_reused")
    other = ShopServer("verify_card")
    theirs = other.post("card-verifications/", card_fields(), "check-key-1").json()
    assert theirs["id"] != first.json()["id"]
    assert gateway.counts[VERIFY] == 2
    IdempotencyRecord.objects.all().delete()  # a week later
    assert (
        clerk.post("card-verifications/", card_fields(), "check-key-1").json()
        == first.json()
    )
    assert gateway.counts[VERIFY] == 2


def test_a_died_process_asks_when_it_is_asked_again(
    clerk: ShopServer, gateway: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the key and the check: nobody was asked."""

    def dies(*args: Any, **kwargs: Any) -> Any:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(terminal_outages, "require_available", dies)
        with pytest.raises(KeyboardInterrupt):
            clerk.post("card-verifications/", card_fields(), "check-key-1")
    terminal_outages.record("moto", 401)
    refused = clerk.post("card-verifications/", card_fields(), "check-key-1")
    assert_problem(refused, 503, "terminal_unavailable")
    assert IdempotencyRecord.objects.count() == 1
    assert gateway.counts[VERIFY] == 0
    assert terminal_outages.probe() == 1
    assert clerk.post("card-verifications/", card_fields(), "check-key-1").json()[
        "successful"
    ]
    assert (CardVerification.objects.count(), gateway.counts[VERIFY]) == (1, 1)


def test_too_many_refusals(
    clerk: ShopServer, gateway: Simulator, change_settings: Any
) -> None:
    change_settings(RATE_LIMITS={"address": (2, 600), "everyone": None})
    for _ in range(2):
        clerk.post("card-verifications/", card_fields("lost_card"))
    answer = clerk.post("card-verifications/", card_fields(), "check-key-1")
    body = assert_problem(answer, 429, "too_many_verifications")
    assert (body["retry_after"], answer["Retry-After"]) == (600, "600")
    assert gateway.counts[VERIFY] == 2
    change_settings(RATE_LIMITS="off")
    assert (
        clerk.post("card-verifications/", card_fields(), "check-key-1").status_code
        == 201
    )


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"card_number": "1"}, "invalid"),
        ({"card_number": None}, "invalid"),
        ({"terminal": "nowhere"}, "invalid"),
        ({"currency": "EURO"}, "invalid"),
        ({"currency": "XXX"}, "invalid_amount"),
        ({"amount": "5.00"}, "invalid"),
        ({"nonce": "n"}, "invalid"),
        ({"outcome": "done"}, "invalid"),
    ],
)
def test_what_does_not_fit_asks_nobody(
    clerk: ShopServer, gateway: Simulator, changes: dict[str, Any], code: str
) -> None:
    assert_problem(
        clerk.post("card-verifications/", {**card_fields(), **changes}), 400, code
    )
    assert gateway.calls == ()
    assert not CardVerification.objects.exists()
    assert not IdempotencyRecord.objects.exists()


def test_no_key_no_question(clerk: ShopServer, gateway: Simulator) -> None:
    answer = clerk.post("card-verifications/", card_fields(), key=None)
    assert_problem(answer, 400, "idempotency_key_missing")
    assert gateway.calls == ()


def test_the_terminal_is_the_desk_s_or_the_first(
    clerk: ShopServer, gateway: Simulator, change_settings: Any
) -> None:
    named = clerk.post("card-verifications/", {**card_fields(), "terminal": "manual"})
    assert named.json()["terminal"] == "manual"
    change_settings(TERMINALS={"one": {"ENVIRONMENT": "simulator"}})
    assert clerk.post("card-verifications/", card_fields()).json()["terminal"] == "one"


def test_an_answer_that_did_not_reach_the_disk(
    clerk: ShopServer, gateway: Simulator
) -> None:
    with broken_update(CardVerification):
        answer = clerk.post("card-verifications/", card_fields(), "check-key-1")
    found = answer.json()
    assert (answer.status_code, found["outcome"]) == (201, "open")
    check = CardVerification.objects.get()
    CardVerification.objects.update(created_at=check.created_at - timedelta(minutes=1))
    assert (
        clerk.get(f"card-verifications/{found['id']}/").json()["outcome"] == "in_doubt"
    )
    check.refresh_from_db()
    assert check.outcome == OperationOutcome.OPEN  # looking changes nothing
    assert (
        clerk.post("card-verifications/", card_fields(), "check-key-1").json()[
            "outcome"
        ]
        == "in_doubt"
    )


def test_a_check_that_is_not_there(clerk: ShopServer) -> None:
    for name in ("NOBODY", "x" * 500, "%00"):
        answer = clerk.browser.get(f"/api/payments/card-verifications/{name}/")
        assert_problem(answer, 404, "not_found")
