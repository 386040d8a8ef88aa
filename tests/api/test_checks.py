"""A card is verified over the API: asked once for a key, kept without the card."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError

from nexi_payments import states
from nexi_payments.flows import alarms, verifying
from nexi_payments.models import CardCheck, KeptAnswer, PaymentOrder
from nexi_payments.simulator import Reply, Simulator
from nexi_payments.testing import Leaks
from tests.api.caller import Server, card, problem

pytestmark = pytest.mark.django_db(transaction=True)
VERIFY = "POST /orders/card_verification"


@pytest.fixture
def clerk(gateway: Simulator) -> Server:
    return Server("verify_card")


def test_a_good_card(clerk: Server, gateway: Simulator) -> None:
    gateway.keep_bodies()
    with Leaks() as leaks:
        answer = clerk.post("checks/", card())
    assert leaks.found() == []
    check = CardCheck.objects.get()
    assert answer.status_code == 201
    assert answer.json() == {
        "id": check.order_id,
        "outcome": "done",
        "good": True,
        "key_refused": False,
        "response_code": "000",
        "terminal": "moto",
        "card": {"brand": "VISA", "last4": "4549", "expiry": "1230"},
        "correlation_id": check.correlation_id,
        "created_at": answer.json()["created_at"],
    }
    assert (check.actor, check.address) == (clerk.user, "10.1.2.3")
    asked = gateway.calls[-1].asked["order"]
    assert (asked["amount"], asked["currency"]) == ("0", "EUR")
    assert asked["customerInfo"] == {"cardHolderName": "Giulia Bianchi"}
    assert not PaymentOrder.objects.exists()
    again = clerk.get(f"checks/{check.order_id}/")
    assert (again.status_code, again.json()) == (200, answer.json())
    assert gateway.counts[VERIFY] == 1


@pytest.mark.parametrize(
    ("ending", "outcome", "code"),
    [
        ("lost_card", "refused", "208"),
        ("gateway_down", "not_sent", ""),
        ("answer_lost", "in_doubt", ""),
    ],
)
def test_whatever_comes_is_an_answer(
    clerk: Server, ending: str, outcome: str, code: str
) -> None:
    found = clerk.post("checks/", card(ending)).json()
    assert (found["outcome"], found["response_code"]) == (outcome, code)
    assert (found["good"], found["key_refused"]) == (False, False)


def test_the_key_of_the_shop_is_the_matter(clerk: Server, gateway: Simulator) -> None:
    gateway.next_reply("card_verification", Reply(401))
    found = clerk.post("checks/", card()).json()
    assert (found["outcome"], found["key_refused"]) == ("not_sent", True)
    refused = clerk.post("checks/", card(), "check-key-1")
    problem(refused, 503, "terminal_unavailable")
    assert gateway.counts[VERIFY] == 1
    assert alarms.recheck() == 1
    mended = clerk.post("checks/", card(), "check-key-1")
    assert (mended.status_code, mended.json()["outcome"]) == (201, "done")


def test_the_same_key_asks_once(clerk: Server, gateway: Simulator) -> None:
    first = clerk.post("checks/", card(), "check-key-1")
    again = clerk.post("checks/", card(), "check-key-1")
    other_card = clerk.post("checks/", card("lost_card"), "check-key-1")
    assert first.status_code == 201
    assert (again.status_code, other_card.status_code) == (200, 200)
    assert again.json() == first.json() == other_card.json()
    # no answer is kept of a card
    assert KeptAnswer.objects.get().body == ""
    changed = {**card(), "currency": "CHF"}
    reused = clerk.post("checks/", changed, "check-key-1")
    problem(reused, 409, "idempotency_key_reused")
    other = Server("verify_card")
    theirs = other.post("checks/", card(), "check-key-1").json()
    assert theirs["id"] != first.json()["id"]
    assert gateway.counts[VERIFY] == 2
    KeptAnswer.objects.all().delete()  # a week later
    assert clerk.post("checks/", card(), "check-key-1").json() == first.json()
    assert gateway.counts[VERIFY] == 2


def test_a_died_process_asks_when_it_is_asked_again(
    clerk: Server, gateway: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the key and the check: nobody was asked."""

    def dies(*args: Any, **kwargs: Any) -> Any:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(verifying, "_refuse_too_many", dies)
        with pytest.raises(KeyboardInterrupt):
            clerk.post("checks/", card(), "check-key-1")
    alarms.raise_for("moto", 401)
    refused = clerk.post("checks/", card(), "check-key-1")
    problem(refused, 503, "terminal_unavailable")
    assert KeptAnswer.objects.count() == 1
    assert gateway.counts[VERIFY] == 0
    assert alarms.recheck() == 1
    assert clerk.post("checks/", card(), "check-key-1").json()["good"]
    assert (CardCheck.objects.count(), gateway.counts[VERIFY]) == (1, 1)


def test_too_many_refusals(clerk: Server, gateway: Simulator, nexi: Any) -> None:
    nexi(RATE_LIMITS={"address": (2, 600), "everyone": None})
    for _ in range(2):
        clerk.post("checks/", card("lost_card"))
    answer = clerk.post("checks/", card(), "check-key-1")
    body = problem(answer, 429, "too_many_checks")
    assert (body["retry_after"], answer["Retry-After"]) == (600, "600")
    assert gateway.counts[VERIFY] == 2
    nexi(RATE_LIMITS="off")
    assert clerk.post("checks/", card(), "check-key-1").status_code == 201


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
    clerk: Server, gateway: Simulator, changes: dict[str, Any], code: str
) -> None:
    problem(clerk.post("checks/", {**card(), **changes}), 400, code)
    assert gateway.calls == ()
    assert not CardCheck.objects.exists()
    assert not KeptAnswer.objects.exists()


def test_no_key_no_question(clerk: Server, gateway: Simulator) -> None:
    answer = clerk.post("checks/", card(), key=None)
    problem(answer, 400, "idempotency_key_missing")
    assert gateway.calls == ()


def test_the_terminal_is_the_desk_s_or_the_first(
    clerk: Server, gateway: Simulator, nexi: Any
) -> None:
    named = clerk.post("checks/", {**card(), "terminal": "manual"})
    assert named.json()["terminal"] == "manual"
    nexi(TERMINALS={"one": {"ENVIRONMENT": "simulator"}})
    assert clerk.post("checks/", card()).json()["terminal"] == "one"


def test_an_answer_that_did_not_reach_the_disk(
    clerk: Server, gateway: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = verifying.database.committed

    def broken(work: Any, *rows: Any) -> Any:
        if rows:
            return real(work, *rows)
        raise OperationalError("disk full")

    with monkeypatch.context() as patch:
        patch.setattr(verifying.database, "committed", broken)
        answer = clerk.post("checks/", card(), "check-key-1")
    found = answer.json()
    assert (answer.status_code, found["outcome"]) == (201, "open")
    check = CardCheck.objects.get()
    CardCheck.objects.update(created_at=check.created_at - timedelta(minutes=1))
    assert clerk.get(f"checks/{found['id']}/").json()["outcome"] == "in_doubt"
    check.refresh_from_db()
    assert check.outcome == states.OPEN  # looking changes nothing
    assert clerk.post("checks/", card(), "check-key-1").json()["outcome"] == "in_doubt"


def test_a_check_that_is_not_there(clerk: Server) -> None:
    for name in ("NOBODY", "x" * 500, "%00"):
        answer = clerk.browser.get(f"/api/payments/checks/{name}/")
        problem(answer, 404, "not_found")
