"""A known card goes through every flow, and is searched for where it must not be."""

from __future__ import annotations

import io
import json
import pickle
import sys
from typing import Any

import pytest
from django.test import Client

from nexi_payments import flows, sealed_cards
from nexi_payments.card_extraction.submission import CardNotRead
from nexi_payments.models import PaymentOrder
from nexi_payments.simulator import TEST_CARDS, Reply, Simulator
from tests.support import canary
from tests.support.shopper import Shopper, new_order, parse_form

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.seen_on("sqlite")]


@pytest.mark.parametrize("terminal", ["default", "two", "manual"])
@canary.EVERY_CARD
def test_every_road(
    shopper: Shopper,
    gateway: Simulator,
    ears: io.StringIO,
    capsys: Any,
    terminal: str,
    card: Any,
) -> None:
    order = new_order(terminal=terminal, reference="canary")
    wrong = {"card_number": card.number, "security_code": canary.wrong_code(card)}
    pages = [shopper.submit_card(order, card.ending, **wrong)]
    assert b"Please check the fields below" in pages[0].content
    assert canary.found_in(canary.everything_stored(), card) == []
    response = shopper.submit_card(
        order, card.ending, card_number=card.number, security_code=card.cvv
    )
    pages.append(response)
    fields = response.content.decode()
    if "ReturnUrl" in fields:
        form = parse_form(response)
        stored = canary.everything_stored()  # the card is held, sealed, at this moment
        assert canary.found_in(stored, card) == []
        answer = shopper.answer_challenge(form)
        pages.append(shopper.return_from_issuer(form, answer))
        token = form.path.split("/")[-2]
        assert token not in canary.everything_stored()
    pages.append(shopper.browser.get(f"/payments/result/{order.public_id}/"))
    pages.append(shopper.browser.get(f"/payments/status/{order.public_id}/"))
    canary.assert_card_nowhere(card, pages, ears, capsys)
    assert "INSERT INTO" in ears.getvalue()  # the ears were open


PLACES = [
    ("nexi_payments.gateway.transport", "parse_json"),
    ("nexi_payments.gateway.responses", "parse_init"),
    ("nexi_payments.flows.ledger.outcomes", "of_init"),
    ("nexi_payments.flows.ledger.transitions", "write_event"),
    ("nexi_payments.sealed_cards", "seal"),
    ("nexi_payments.sealed_cards.sealing", "_encrypt_card"),
    ("nexi_payments.sealed_cards.sealing", "_encrypt"),
    ("nexi_payments.sealed_cards.sealing", "_cipher"),
    ("nexi_payments.sealed_cards.sealing", "_key_id"),
    ("nexi_payments.sealed_cards.sealing", "_associated_data"),
    ("nexi_payments.sealed_cards.sealing", "_token_bytes"),
    ("nexi_payments.sealed_cards", "server_key"),
    ("nexi_payments.sealed_cards.sealing", "AESGCM"),
    ("nexi_payments.sealed_cards.sealing", "HKDF"),
    ("nexi_payments.card.Card", "reveal"),
    ("nexi_payments.sealed_cards.storage", "SealedCard"),
    ("nexi_payments.flows.ledger.operations", "_claim"),
    ("nexi_payments.flows.ledger.operations", "_write_settlement"),
    ("nexi_payments.flows.orders.create", "build_purchase"),
]


@pytest.mark.parametrize("debug", [True, False])
@pytest.mark.parametrize(("module", "name"), PLACES)
def test_a_defect_anywhere_shows_no_card(
    gateway: Simulator,
    monkeypatch: pytest.MonkeyPatch,
    settings: Any,
    ears: io.StringIO,
    failures: canary.Failures,
    module: str,
    name: str,
    debug: bool,
) -> None:
    settings.DEBUG = debug
    canary.break_at(monkeypatch, f"{module}.{name}")
    shopper = Shopper(gateway, raise_request_exception=False)
    response = shopper.submit_card(new_order())
    assert response.status_code in (303, 500)
    canary.assert_number_nowhere(TEST_CARDS[0], [response], ears, failures)


OPENING = [
    ("nexi_payments.flows.ledger.outcomes.of_charge", canary.Defect, "paying"),
    ("nexi_payments.sealed_cards.sealing._decrypt", CardNotRead, "failed"),
    ("nexi_payments.sealed_cards.sealing._cipher", CardNotRead, "failed"),
    ("nexi_payments.sealed_cards.sealing._key_id", CardNotRead, "failed"),
    ("nexi_payments.sealed_cards.sealing._associated_data", CardNotRead, "failed"),
    ("nexi_payments.sealed_cards.sealing._token_bytes", CardNotRead, "failed"),
    ("nexi_payments.sealed_cards.sealing.Card", CardNotRead, "failed"),
]


@pytest.mark.parametrize(("place", "kind", "state"), OPENING)
def test_a_defect_while_the_card_is_opened(
    shopper: Shopper,
    monkeypatch: pytest.MonkeyPatch,
    ears: io.StringIO,
    caplog: Any,
    place: str,
    kind: type[Exception],
    state: str,
) -> None:
    form = shopper.start(new_order())
    canary.break_at(monkeypatch, place)
    assert (
        shopper.return_from_issuer(form, shopper.answer_challenge(form)).status_code
        == 303
    )
    errors = [r.exc_info[1] for r in caplog.records if r.exc_info]
    assert any(isinstance(error, kind) for error in errors)
    for error in errors:
        assert canary.number_in(canary.frames_of(error), TEST_CARDS[0]) == []
    assert canary.number_in(ears.getvalue(), TEST_CARDS[0]) == []
    assert PaymentOrder.objects.get().state == state


def test_gateway_errors_hold_nothing(
    shopper: Shopper, gateway: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    caught: list[BaseException] = []
    from nexi_payments.flows.ledger import terminal_outages

    monkeypatch.setattr(
        terminal_outages,
        "log_failure",
        lambda order, error, *rest: caught.append(sys.exc_info()[1]),
    )
    for reply in (Reply(500), Reply(400, b"{}"), Reply(200, b"x"), Reply(200, b"{}")):
        gateway.next_reply("/init", reply)
        shopper.submit_card(new_order())
    gateway.lose_next_answer("/init")
    shopper.submit_card(new_order())
    assert len(caught) == 5
    for error in caught:
        assert error.__context__ is None
        assert error.__cause__ is None
        assert canary.number_in(canary.frames_of(error), TEST_CARDS[0]) == []
        assert canary.number_in(repr(vars(error)) + str(error), TEST_CARDS[0]) == []
        pickled = pickle.dumps(error).decode("latin-1")
        assert canary.number_in(pickled, TEST_CARDS[0]) == []


def test_the_request_is_scrubbed_for_trackers(
    shopper: Shopper, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Any] = []

    def spying(*args: Any, **kwargs: Any) -> Any:
        frame = sys._getframe()
        while frame.f_back is not None:
            frame = frame.f_back
            request = frame.f_locals.get("request")
            if request is not None and hasattr(request, "POST"):
                seen.append((dict(request.POST), request.body))
        raise flows.three_ds.OrderNotPayable(args[0])

    monkeypatch.setattr(flows, "start_payment", spying)
    shopper.submit_card(new_order())
    assert seen
    for posted, body in seen:
        assert canary.number_in(body.decode(), TEST_CARDS[0]) == []
        assert canary.number_in(json.dumps(posted), TEST_CARDS[0]) == []
        assert posted["card_number"] == [""]
        assert posted["cardholder_name"] == ["Giulia Bianchi"]


def test_the_scanner_itself_sees_a_card(order: PaymentOrder) -> None:
    """The scanner must find a card that is there."""
    card = TEST_CARDS[0]
    order.description = card.number
    order.save(update_fields=["description"])
    assert canary.number_in(canary.everything_stored(), card) == [card.number]
    assert sealed_cards.hash_token("x") not in canary.everything_stored()


def test_other_pages_forget_what_is_posted_to_them(
    shopper: Shopper, order: PaymentOrder, ears: io.StringIO
) -> None:
    card = TEST_CARDS[0]
    fields = {"card_number": card.number, "security_code": canary.CVV}
    stranger = Client(HTTP_HOST="127.0.0.1:8000")
    for url in ("/payments/pay/0/", f"/payments/return/{order.public_id}/x/"):
        response = stranger.post(url, fields)
        assert canary.number_in(response.content.decode(), card) == []
    assert canary.number_in(ears.getvalue(), card) == []
