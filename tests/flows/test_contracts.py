"""Saved cards: consent, creation with a first payment, later charges."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from nexi_payments import flows
from nexi_payments.card import Card
from nexi_payments.enums import (
    Channel,
    ContractKind,
    ContractState,
    OperationKind,
    OperationOutcome,
    OrderState,
    Reason,
)
from nexi_payments.exceptions import (
    CardDataNotAllowed,
    ConsentRequired,
    ReferenceInUse,
)
from nexi_payments.models import Contract, PaymentOrder
from nexi_payments.simulator import Reply, Simulator
from tests.support.clerk import Clerk, card_url
from tests.support.contracts import (
    MIT_ENDPOINT,
    MONTHLY,
    TEN,
    charge_contract,
    make_contract,
)
from tests.support.in_doubt import (
    HOUR,
    order_reply,
    prove_absent,
    reconcile_after,
)
from tests.support.shopper import CARDS, SITE, Shopper, new_order

pytestmark = pytest.mark.django_db(transaction=True)


# -- made ----------------------------------------------------------------------------


@pytest.mark.parametrize("terminal", ["default", "two"])
def test_a_contract_is_made_with_the_first_payment(
    shopper: Shopper, gateway: Simulator, terminal: str
) -> None:
    contract = make_contract(shopper, terminal=terminal)
    assert contract.state == ContractState.ACTIVE
    assert (contract.card_brand, contract.card_last4) == ("VISA", "4549")
    assert contract.card_expiry == "1230"
    assert contract.kind == ContractKind.UNSCHEDULED
    assert contract.next_charge_at is None
    assert contract.consent_text.startswith("Coffee: Your card stays on file at Nexi.")
    assert contract.consented_at is not None
    assert contract.consent_address == "127.0.0.1"
    assert len(contract.contract_id) == 18
    assert contract.contract_id.isalnum()
    kept = gateway.store.find_contract(contract.contract_id)
    assert kept is not None
    assert (kept["type"], kept["active"]) == ("MIT_UNSCHEDULED", True)
    founding = contract.first_payment
    assert founding is not None
    assert founding.state == OrderState.PAID
    kinds = [event.kind for event in founding.events.all()]
    assert kinds[-2:] == [OrderState.PAID, "contract_activated"]


def test_a_scheduled_one_is_told_and_planned(
    shopper: Shopper, gateway: Simulator
) -> None:
    until = timezone.localdate() + timedelta(days=400)
    terms = flows.ContractTerms(
        "Tea", interval_days=7, amount=TEN, until=until, customer_id="C7"
    )
    contract = make_contract(shopper, terms=terms)
    kept = gateway.store.find_contract(contract.contract_id)
    assert kept is not None
    assert (kept["type"], kept["frequency"]) == ("MIT_SCHEDULED", "7")
    assert (kept["until"], kept["customer_id"]) == (until.isoformat(), "C7")
    assert contract.billing_anchor is not None
    assert contract.next_charge_at == contract.billing_anchor + timedelta(days=7)
    assert contract.total == TEN
    assert "charges €10.00 to it every 7 days." in contract.consent_text
    assert "The last day is" in contract.consent_text


def test_without_the_tick_nothing_is_sent(shopper: Shopper, gateway: Simulator) -> None:
    order = new_order(contract=flows.ContractTerms("Coffee"))
    answer = shopper.submit_card(order)
    page = answer.content.decode()
    assert "Your card stays on file at Nexi." in page
    assert "Tick this box if you agree." in page
    assert CARDS["challenge"].number not in page
    assert gateway.calls == ()
    order.refresh_from_db()
    assert order.state == OrderState.INIT
    with pytest.raises(ConsentRequired):
        flows.start_payment(
            order, Card(CARDS["challenge"].number, "1230", "396"), site=SITE
        )
    assert gateway.calls == ()


def test_an_order_without_a_contract_asks_for_no_tick(shopper: Shopper) -> None:
    page = shopper.browser.get(new_order().page_url()).content.decode()
    assert "on file" not in page
    assert 'name="agree"' not in page


def test_a_declined_first_payment_makes_none(
    shopper: Shopper, gateway: Simulator
) -> None:
    contract = make_contract(shopper, "declined", reference="R-1")
    assert contract.state == ContractState.NOT_MADE
    first = contract.first_payment
    assert first is not None
    form = shopper.start(first, agree="on")
    shopper.return_from_issuer(form, shopper.answer_challenge(form))
    fresh = Contract.objects.exclude(pk=contract.pk).get()
    assert fresh.state == ContractState.ACTIVE
    assert fresh.contract_id != contract.contract_id
    assert fresh.description == "Coffee"
    contract.refresh_from_db()
    assert contract.state == ContractState.NOT_MADE


def test_a_late_charge_makes_it_after_all(shopper: Shopper, gateway: Simulator) -> None:
    order = new_order(contract=flows.ContractTerms())
    form = shopper.start(order, agree="on")
    gateway.next_reply("payment", Reply(500))
    shopper.return_from_issuer(form, shopper.answer_challenge(form))
    prove_absent(order)
    assert (order.state, order.contract.state) == (
        OrderState.FAILED,
        ContractState.NOT_MADE,
    )
    with gateway.store.edit_payment(order.gateway_operation_id) as record:
        assert record is not None
        record.update(result="EXECUTED", charged_at="now", code="000")
    reconcile_after(4 * HOUR)
    order.refresh_from_db()
    assert (order.state, order.contract.state) == (
        OrderState.PAID,
        ContractState.ACTIVE,
    )


def test_at_the_desk_no_contract_is_made(gateway: Simulator) -> None:
    order = new_order(
        contract=flows.ContractTerms("Coffee"), reference="R-1", terminal="moto"
    )
    clerk = Clerk("take_moto")
    answer = clerk.submit_card(order)
    assert answer.status_code == 302, (card_url(order), answer.content)
    order.refresh_from_db()
    assert order.state == OrderState.PAID
    assert order.contract.state == ContractState.NOT_MADE
    assert gateway.store.find_contract(order.contract.contract_id) is None


def test_another_agreement_is_another_purchase(shopper: Shopper) -> None:
    plain = new_order(reference="R-1")
    kept = new_order(reference="R-1", contract=MONTHLY)
    assert kept != plain
    assert new_order(reference="R-1", contract=MONTHLY) == kept
    assert Contract.objects.count() == 1
    other = new_order(reference="R-1", contract=flows.ContractTerms("Other"))
    assert other != kept
    kept.refresh_from_db()
    assert (kept.state, kept.reason) == (OrderState.FAILED, Reason.SUPERSEDED)
    assert kept.contract.state == ContractState.NOT_MADE


@pytest.mark.parametrize(
    ("terms", "error"),
    [
        ({"interval_days": 0}, ValueError),
        ({"interval_days": 10_000}, ValueError),
        ({"amount": TEN}, ValueError),
        ({"customer_id": "x" * 28}, ValueError),
        ({"until": timezone.localdate() - timedelta(days=1)}, ValueError),
        ({"description": "4349 9401 9900 4549"}, CardDataNotAllowed),
        ({"customer_id": "4349940199004549"}, CardDataNotAllowed),
        ({"interval_days": 1, "amount": 1.5}, ValueError),
    ],
)
def test_terms_that_cannot_be(terms: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        new_order(contract=flows.ContractTerms(**terms))
    assert not PaymentOrder.objects.exists()
    assert not Contract.objects.exists()


# -- charged -------------------------------------------------------------------------


def test_a_card_on_file_is_charged(shopper: Shopper, gateway: Simulator) -> None:
    contract = make_contract(
        shopper, terms=MONTHLY, customer={"name": "Giulia Bianchi"}
    )
    order = charge_contract(contract)
    assert (order.state, order.channel) == (OrderState.PAID, Channel.MIT)
    assert (order.amount, order.captured_amount) == (1000, 1000)
    assert (order.card_last4, order.contract) == ("4549", contract)
    assert (order.description, order.customer_name) == (
        "Coffee, monthly",
        "Giulia Bianchi",
    )
    [operation] = order.operations.all()
    assert (operation.kind, operation.outcome) == (
        OperationKind.MIT,
        OperationOutcome.DONE,
    )
    assert len(operation.idempotency_key) == 36
    assert gateway.charge_count(order.order_id) == 1
    flows.refund(order, Decimal("4.00"))
    order.refresh_from_db()
    assert order.refunded_amount == 400


def test_the_same_reference_charges_once(shopper: Shopper, gateway: Simulator) -> None:
    contract = make_contract(shopper)
    assert charge_contract(contract) == charge_contract(contract)
    assert gateway.counts[MIT_ENDPOINT] == 1
    with pytest.raises(ReferenceInUse):
        flows.charge_contract(contract, Decimal(11), "EUR", reference="S-1")
    assert charge_contract(contract, "S-2").state == OrderState.PAID
    assert gateway.counts[MIT_ENDPOINT] == 2


def test_a_reference_of_the_shop_is_not_taken_over(
    shopper: Shopper, gateway: Simulator
) -> None:
    contract = make_contract(shopper)
    paid = shopper.pay(new_order(amount=TEN, reference="S-1"))
    with pytest.raises(ReferenceInUse):
        charge_contract(contract)
    other = make_contract(shopper)
    charge_contract(other, "S-2")
    with pytest.raises(ReferenceInUse):
        charge_contract(contract, "S-2")
    assert paid.channel == Channel.SHOP
    assert gateway.counts[MIT_ENDPOINT] == 1


@pytest.mark.parametrize(
    ("ending", "code"), [("mit_declined", "116"), ("mit_lost_card", "208")]
)
def test_a_decline_is_an_answer(shopper: Shopper, ending: str, code: str) -> None:
    order = charge_contract(make_contract(shopper, ending))
    assert (order.state, order.reason) == (OrderState.FAILED, Reason.DECLINED)
    assert order.response_code == code


def test_a_lost_answer_is_found(shopper: Shopper, gateway: Simulator) -> None:
    order = charge_contract(make_contract(shopper, "mit_answer_lost"))
    assert order.state == OrderState.PAID
    assert (gateway.counts[MIT_ENDPOINT], gateway.charge_count(order.order_id)) == (
        1,
        1,
    )


def test_in_doubt_it_is_never_sent_again(shopper: Shopper, gateway: Simulator) -> None:
    contract = make_contract(shopper)
    gateway.next_reply("orders/mit", Reply(500))
    order = charge_contract(contract)
    assert order.state == OrderState.PAYING
    assert charge_contract(contract) == order
    for hours in (1, 2, 3):
        reconcile_after(hours * HOUR)
    order.refresh_from_db()
    assert (order.state, order.reason) == (OrderState.FAILED, Reason.UNCONFIRMED)
    assert gateway.counts[MIT_ENDPOINT] == 1


def test_pending_waits_for_its_end(shopper: Shopper, gateway: Simulator) -> None:
    order = charge_contract(make_contract(shopper, "mit_pending"))
    assert (order.state, order.gateway_pending) == (OrderState.PAYING, True)
    gateway.advance(60)
    reconcile_after(HOUR)
    order.refresh_from_db()
    assert order.state == OrderState.PAID


def test_two_authorizations_are_for_a_person(
    shopper: Shopper, gateway: Simulator
) -> None:
    contract = make_contract(shopper)
    gateway.next_reply("orders/mit", Reply(500))
    order = charge_contract(contract, wait=False)
    one = {
        "orderId": order.order_id,
        "operationType": "AUTHORIZATION",
        "operationResult": "EXECUTED",
        "operationAmount": "1000",
        "operationCurrency": "EUR",
    }
    two = [one | {"operationId": "1"}, one | {"operationId": "2"}]
    gateway.next_reply(order.order_id, order_reply(order, *two))
    flows.reconcile(order)
    order.refresh_from_db()
    assert (order.state, order.reason) == (OrderState.REVIEW, Reason.TWO_AUTHORIZATIONS)


def test_on_a_manual_terminal_it_is_held(shopper: Shopper, gateway: Simulator) -> None:
    order = charge_contract(make_contract(shopper, terminal="manual"))
    assert order.state == OrderState.AUTHORIZED
    flows.capture(order)
    assert gateway.charge_of(order.order_id).captured == 1000


def test_inside_a_transaction_it_is_a_loud_error(
    shopper: Shopper, gateway: Simulator
) -> None:
    contract = make_contract(shopper)
    with transaction.atomic(), pytest.raises(RuntimeError):
        charge_contract(contract)
    assert gateway.counts[MIT_ENDPOINT] == 0
