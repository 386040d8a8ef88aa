"""A known card is saved or verified, and searched for in pages, database and logs."""

from __future__ import annotations

import io
from decimal import Decimal
from typing import Any

import pytest

from nexi_payments import flows
from nexi_payments.card import Card
from nexi_payments.enums import ContractState, OperationOutcome
from nexi_payments.models import CardVerification, Contract
from nexi_payments.simulator import TEST_CARDS, Simulator
from tests.support import canary
from tests.support.clerk import PERMISSIONS, Clerk, hidden_fields
from tests.support.contracts import MIT_ENDPOINT, MONTHLY
from tests.support.shopper import Shopper, new_order, parse_form

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.seen_on("sqlite")]


@pytest.mark.parametrize("terminal", ["default", "two", "manual"])
@canary.EVERY_CARD
def test_the_first_payment_and_charges_on_file(
    shopper: Shopper,
    gateway: Simulator,
    ears: io.StringIO,
    capsys: Any,
    terminal: str,
    card: Any,
) -> None:
    order = new_order(terminal=terminal, reference="canary", contract=MONTHLY)
    typed = {"card_number": card.number, "agree": "on"}
    wrong = {**typed, "security_code": canary.wrong_code(card)}
    pages = [shopper.submit_card(order, card.ending, **wrong)]
    assert b"Please check the fields below" in pages[0].content
    response = shopper.submit_card(order, card.ending, **typed, security_code=card.cvv)
    pages.append(response)
    if "ReturnUrl" in response.content.decode():
        form = parse_form(response)
        assert canary.found_in(canary.everything_stored(), card) == []  # held, sealed
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
    canary.assert_card_nowhere(card, pages, ears, capsys)
    assert "nexi_payments_contract" in ears.getvalue()  # the ears were open


@canary.EVERY_CARD
def test_a_card_that_is_only_verified(
    gateway: Simulator, ears: io.StringIO, capsys: Any, card: Any
) -> None:
    month, year = card.expiry.split("/")
    it = Card(card.number, month + year, card.cvv)
    check = flows.verify_card(it, cardholder="Giulia Bianchi")
    assert CardVerification.objects.get() == check
    assert check.card_last4 == card.number[-4:]
    assert canary.found_in(canary.everything_stored(), card) == []
    assert canary.found_in(ears.getvalue(), card) == []
    assert canary.found_in(f"{check} {vars(check)} {it} {it!r}", card) == []
    printed = capsys.readouterr()
    assert canary.found_in(printed.out + printed.err, card) == []


CHECKS = "/admin/nexi_payments/cardverification/"


def keyed(card: Any, **changes: str) -> dict[str, str]:
    fields = {"currency": "EUR", "terminal": "default", **changes}
    return {**canary.fields_of(card), **fields}


@canary.EVERY_CARD
def test_a_card_that_a_clerk_verifies(
    gateway: Simulator, ears: io.StringIO, capsys: Any, card: Any
) -> None:
    clerk = Clerk(*PERMISSIONS)
    wrong = keyed(card, security_code=canary.wrong_code(card))
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
    canary.assert_card_nowhere(card, pages, ears, capsys)
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
    failures: canary.Failures,
    place: str,
    debug: bool,
) -> None:
    settings.DEBUG = debug
    card = TEST_CARDS[0]
    clerk = Clerk("verify_card", raise_request_exception=False)
    fields = {**hidden_fields(clerk.get_text(CHECKS + "verify/")), **keyed(card)}
    clerk.post(CHECKS + "verify/", **fields)
    check = CardVerification.objects.get()
    canary.break_at(monkeypatch, place)
    pages = [
        clerk.post(CHECKS + "verify/", **fields),
        clerk.post(CHECKS + "verify/", **keyed(card)),
        clerk.get(f"{CHECKS}verify/{check.order_id}/"),
    ]
    assert {page.status_code for page in pages} & {500}
    assert failures.seen
    canary.assert_number_nowhere(card, pages, ears, failures)


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
    canary.break_at(monkeypatch, place)
    card = TEST_CARDS[0]
    month, year = card.expiry.split("/")
    seen = ""
    try:
        flows.verify_card(Card(card.number, month + year, card.cvv))
    except canary.Defect as error:
        seen = canary.frames_of(error) + repr(error)
    assert CardVerification.objects.get().outcome == outcome
    assert canary.number_in(seen, card) == []
    assert canary.number_in(canary.everything_stored(), card) == []
    assert canary.number_in(ears.getvalue(), card) == []


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
