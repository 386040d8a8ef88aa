"""A known card is saved or verified, and searched for in pages, database and logs."""

from __future__ import annotations

import io
import sys
from decimal import Decimal
from typing import Any

import pytest
from django.core.signals import got_request_exception
from django.views.debug import ExceptionReporter

from nexi_payments import flows
from nexi_payments.card import Card
from nexi_payments.enums import ContractState, OperationOutcome
from nexi_payments.models import CardVerification, Contract
from nexi_payments.simulator import TEST_CARDS, Simulator
from tests.support.clerk import PERMISSIONS, Clerk, hidden_fields
from tests.support.contracts import MIT_ENDPOINT, MONTHLY
from tests.support.shopper import Shopper, new_order, parse_form
from tests.system.test_canary import (
    AMEX,
    CVV,
    Defect,
    ears,
    everything_stored,
    found_in,
    frames_of,
    number_in,
)

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.seen_on("sqlite")]
assert ears  # the fixture

EVERY_CARD = pytest.mark.parametrize(
    "card", [*TEST_CARDS, AMEX], ids=lambda card: f"{card.ending}-{card.brand}"
)


@pytest.mark.parametrize("terminal", ["default", "two", "manual"])
@EVERY_CARD
def test_the_first_payment_and_charges_on_file(
    shopper: Shopper,
    gateway: Simulator,
    ears: io.StringIO,
    capsys: Any,
    terminal: str,
    card: Any,
) -> None:
    order = new_order(terminal=terminal, reference="canary", contract=MONTHLY)
    fits = card.brand == "AMEX"
    typed = {"card_number": card.number, "agree": "on"}
    wrong = {**typed, "security_code": "739" if fits else CVV}
    pages = [shopper.submit_card(order, card.ending, **wrong)]
    assert b"Please check the fields below" in pages[0].content
    response = shopper.submit_card(order, card.ending, **typed, security_code=card.cvv)
    pages.append(response)
    if "ReturnUrl" in response.content.decode():
        form = parse_form(response)
        assert found_in(everything_stored(), card) == []  # held, sealed
        pages.append(shopper.return_from_issuer(form, shopper.answer_challenge(form)))
    pages.append(shopper.browser.get(f"/payments/result/{order.public_id}/"))
    contract = Contract.objects.get()
    assert contract.consent_text or contract.state == ContractState.NOT_MADE
    if contract.is_usable:
        charged = flows.charge_contract(
            contract, Decimal("9.00"), "EUR", reference="canary 2"
        )
        assert gateway.counts[MIT_ENDPOINT] == 1
        assert charged.card_last4 == contract.card_last4 == card.number[-4:]
    clerk = Clerk(*PERMISSIONS)
    for kind, rows in (
        ("contract", [contract]),
        ("paymentorder", contract.payments.all()),
    ):
        for row in rows:
            way = f"/admin/nexi_payments/{kind}/{row.pk}/change/"
            page = clerk.get(way)
            assert page.status_code == 200
            pages.append(page)
    for page in pages:
        assert found_in(page.content.decode(), card) == []
        assert found_in(str(page.headers), card) == []
        assert found_in(str(page.cookies), card) == []
    assert found_in(everything_stored(), card) == []
    assert found_in(ears.getvalue(), card) == []
    printed = capsys.readouterr()
    assert found_in(printed.out + printed.err, card) == []
    assert "nexi_payments_contract" in ears.getvalue()  # the ears were open


@EVERY_CARD
def test_a_card_that_is_only_verified(
    gateway: Simulator, ears: io.StringIO, capsys: Any, card: Any
) -> None:
    month, year = card.expiry.split("/")
    it = Card(card.number, month + year, card.cvv)
    check = flows.verify_card(it, cardholder="Giulia Bianchi")
    assert CardVerification.objects.get() == check
    assert check.card_last4 == card.number[-4:]
    assert found_in(everything_stored(), card) == []
    assert found_in(ears.getvalue(), card) == []
    assert found_in(f"{check} {vars(check)} {it} {it!r}", card) == []
    printed = capsys.readouterr()
    assert found_in(printed.out + printed.err, card) == []


CHECKS = "/admin/nexi_payments/cardverification/"


def keyed(card: Any, **changes: str) -> dict[str, str]:
    return {
        "cardholder_name": "Giulia Bianchi",
        "card_number": card.number,
        "expiry": card.expiry,
        "security_code": card.cvv,
        "currency": "EUR",
        "terminal": "default",
        **changes,
    }


@EVERY_CARD
def test_a_card_that_a_clerk_verifies(
    gateway: Simulator, ears: io.StringIO, capsys: Any, card: Any
) -> None:
    clerk = Clerk(*PERMISSIONS)
    fits = card.brand == "AMEX"
    wrong = keyed(card, security_code="739" if fits else CVV)
    fields = {**hidden_fields(clerk.get_text(CHECKS + "verify/")), **keyed(card)}
    pages = [clerk.post(CHECKS + "verify/", **wrong)]
    assert pages[0].status_code == 400
    pages.append(clerk.post(CHECKS + "verify/", **fields))
    pages.append(clerk.post(CHECKS + "verify/", **fields))
    other = next(one for one in TEST_CARDS if one.number[-4:] != card.number[-4:])
    pages.append(clerk.post(CHECKS + "verify/", **{**fields, **keyed(other)}))
    assert [page.status_code for page in pages[1:]] == [302, 302, 409]
    check = CardVerification.objects.get()
    for way in (
        f"verify/{check.order_id}/",
        f"{check.pk}/change/",
        f"{check.pk}/history/",
        "",
    ):
        pages.append(clerk.get(CHECKS + way))
    for page in pages:
        assert found_in(page.content.decode(), card) == []
        assert found_in(str(page.headers), card) == []
        assert found_in(str(page.cookies), card) == []
    assert found_in(everything_stored(), card) == []
    assert found_in(ears.getvalue(), card) == []
    printed = capsys.readouterr()
    assert found_in(printed.out + printed.err, card) == []
    assert "nexi_payments_cardverification" in ears.getvalue()  # the ears were open


@pytest.mark.parametrize("debug", [True, False])
@pytest.mark.parametrize(
    "place",
    [
        "nexi_payments.flows.card_verification.get_or_verify_card",
        "nexi_payments.flows.card_verification._outcome",
        "nexi_payments.flows.card_verification._settle",
        "nexi_payments.flows.ledger.terminal_outages.require_available",
        "nexi_payments.admin.card_verifications._is_same_card",
        "nexi_payments.admin.card_verification_texts.advice",
    ],
)
def test_a_defect_on_the_pages_shows_no_card(
    gateway: Simulator,
    monkeypatch: pytest.MonkeyPatch,
    settings: Any,
    ears: io.StringIO,
    place: str,
    debug: bool,
) -> None:
    settings.DEBUG = debug
    card = TEST_CARDS[0]
    clerk = Clerk("verify_card", raise_request_exception=False)
    fields = {**hidden_fields(clerk.get_text(CHECKS + "verify/")), **keyed(card)}
    clerk.post(CHECKS + "verify/", **fields)
    check = CardVerification.objects.get()
    errors: list[Any] = []

    def noting(sender: Any, request: Any, **kwargs: Any) -> None:
        errors.append((sys.exc_info()[1], request))

    def broken(*args: Any, **kwargs: Any) -> Any:
        raise Defect

    got_request_exception.connect(noting)
    monkeypatch.setattr(place, broken)
    pages = [
        clerk.post(CHECKS + "verify/", **fields),
        clerk.post(CHECKS + "verify/", **keyed(card)),
        clerk.get(f"{CHECKS}verify/{check.order_id}/"),
    ]
    assert {page.status_code for page in pages} & {500}
    for page in pages:
        assert number_in(page.content.decode(), card) == []
    assert errors
    for error, request in errors:
        assert number_in(frames_of(error), card) == []
        html = ExceptionReporter(
            request, type(error), error, error.__traceback__, is_email=True
        ).get_traceback_html()
        assert number_in(html, card) == []
    assert number_in(ears.getvalue(), card) == []
    assert number_in(everything_stored(), card) == []


@pytest.mark.parametrize(
    ("place", "outcome"),
    [
        ("nexi_payments.gateway.payloads.verification", OperationOutcome.NOT_SENT),
        ("nexi_payments.gateway.transport.parse_json", OperationOutcome.IN_DOUBT),
        ("nexi_payments.flows.card_verification._outcome", OperationOutcome.IN_DOUBT),
    ],
)
def test_a_defect_while_a_card_is_verified(
    gateway: Simulator,
    monkeypatch: pytest.MonkeyPatch,
    ears: io.StringIO,
    place: str,
    outcome: str,
) -> None:
    def broken(*args: Any, **kwargs: Any) -> Any:
        raise Defect

    monkeypatch.setattr(place, broken)
    card = TEST_CARDS[0]
    month, year = card.expiry.split("/")
    seen = ""
    try:
        flows.verify_card(Card(card.number, month + year, card.cvv))
    except Defect as error:
        seen = frames_of(error) + repr(error)
    assert CardVerification.objects.get().outcome == outcome
    assert number_in(seen, card) == []
    assert number_in(everything_stored(), card) == []
    assert number_in(ears.getvalue(), card) == []


def test_a_charge_on_file_names_the_contract_and_no_card(
    shopper: Shopper, gateway: Simulator
) -> None:
    order = new_order(contract=MONTHLY)
    form = shopper.start(order, agree="on")
    shopper.return_from_issuer(form, shopper.answer_challenge(form))
    contract = Contract.objects.get()
    gateway.keep_bodies()
    flows.charge_contract(contract, Decimal("9.00"), "EUR", reference="canary 3")
    sent = [call.request_body for call in gateway.calls if "/orders/mit" in call.path]
    assert [sorted(body) for body in sent] == [["captureType", "contractId", "order"]]
