"""Saved cards: Nexi's list, and the end of a contract."""

from __future__ import annotations

import json
from contextlib import suppress

import pytest
from django.contrib.auth import get_user_model
from django.db import transaction
from django.utils import timezone

from nexi_payments import flows
from nexi_payments.enums import Channel, ContractState, OrderState, Reason
from nexi_payments.exceptions import (
    ContractEndUnconfirmed,
    ContractNotUsable,
)
from nexi_payments.flows.ledger import terminal_outages, transitions
from nexi_payments.models import Contract, PaymentOrder
from nexi_payments.models.bookkeeping import TerminalOutage
from nexi_payments.simulator import Reply, Simulator
from tests.support.contracts import (
    MIT_ENDPOINT,
    MONTHLY,
    charge_contract,
    make_contract,
)
from tests.support.in_doubt import DAY, HOUR, time_travel
from tests.support.shopper import Shopper, new_order

pytestmark = pytest.mark.django_db(transaction=True)


def test_nexi_lists_those_that_stand(shopper: Shopper, gateway: Simulator) -> None:
    user = get_user_model().objects.create_user("giulia")
    shopper.browser.force_login(user)
    one = make_contract(shopper, user=user)
    two = make_contract(shopper, user=user)
    assert one.customer_id == two.customer_id == f"U{user.pk}"
    flows.end_contract(one)
    [found] = flows.contracts_at_nexi(one.customer_id)
    assert (found.contract_id, found.instrument) == (two.contract_id, "***4549")
    assert flows.contracts_at_nexi("NOBODY") == ()
    asked = len(gateway.calls)
    with transaction.atomic(), pytest.raises(RuntimeError, match="durable"):
        flows.contracts_at_nexi(one.customer_id)
    assert len(gateway.calls) == asked


def test_what_was_ended_is_not_charged(shopper: Shopper, gateway: Simulator) -> None:
    contract = make_contract(shopper, terms=MONTHLY)
    for _ in range(2):
        flows.end_contract(contract)
    assert (contract.state, contract.next_charge_at) == (ContractState.ENDED, None)
    assert contract.ended_at is not None
    with pytest.raises(ContractNotUsable):
        charge_contract(contract)
    assert gateway.counts[MIT_ENDPOINT] == 0
    assert gateway.counts["POST /contracts/{id}/deactivation"] == 1
    founding = contract.first_payment
    assert founding is not None
    assert founding.events.filter(kind="contract_ended").count() == 1


def test_what_was_ended_before_its_first_payment_does_not_come_on_file(
    shopper: Shopper, gateway: Simulator
) -> None:
    order = new_order(contract=MONTHLY)
    form = shopper.start(order, "challenge", agree="on")
    contract = Contract.objects.get()
    assert contract.state == ContractState.REQUESTED
    for _ in range(2):
        flows.end_contract(contract)
    assert (contract.state, contract.next_charge_at) == (ContractState.ENDED, None)
    shopper.return_from_issuer(form, shopper.answer_challenge(form))
    order.refresh_from_db()
    contract.refresh_from_db()
    assert (order.state, contract.state) == (OrderState.PAID, ContractState.ENDING)
    assert not order.events.filter(kind="contract_activated").exists()
    with pytest.raises(ContractNotUsable):
        charge_contract(contract)
    assert flows.charge_due() == flows.RecurringCounts(ended=1)
    contract.refresh_from_db()
    assert (contract.state, contract.next_charge_at) == (ContractState.ENDED, None)
    assert gateway.counts["POST /contracts/{id}/deactivation"] == 2
    assert gateway.counts[MIT_ENDPOINT] == 0
    with time_travel(40 * DAY):
        assert flows.charge_due() == flows.RecurringCounts()


def test_an_end_that_nexi_did_not_confirm_is_asked_again(
    shopper: Shopper, gateway: Simulator
) -> None:
    contract = make_contract(shopper)
    gateway.fail_next("deactivation")
    with pytest.raises(ContractEndUnconfirmed):
        flows.end_contract(contract)
    assert contract.state == ContractState.ENDING
    with pytest.raises(ContractNotUsable):
        charge_contract(contract)
    assert flows.charge_due().ended == 1
    contract.refresh_from_db()
    assert contract.state == ContractState.ENDED


@pytest.mark.parametrize(
    ("status", "code", "state"),
    [
        (400, "PS0017", ContractState.ENDED),
        (404, "PS0017", ContractState.ENDED),
        (404, "", ContractState.ENDED),
        (400, "PS0035", ContractState.ENDING),
        (400, "", ContractState.ENDING),
        (401, "", ContractState.ENDING),
        (409, "PS0017", ContractState.ENDING),
    ],
)
def test_only_a_contract_that_nexi_does_not_know_is_ended_by_a_refusal(
    shopper: Shopper, gateway: Simulator, status: int, code: str, state: str
) -> None:
    contract = make_contract(shopper)
    body = json.dumps({"errors": [{"code": code, "description": "no"}]}).encode()
    gateway.next_reply(
        "deactivation", Reply(status, body, {"Content-Type": "application/json"})
    )
    with suppress(ContractEndUnconfirmed):
        flows.end_contract(contract)
    contract.refresh_from_db()
    assert contract.state == state


def test_a_first_payment_given_back_unseen_leaves_no_card_on_file(
    shopper: Shopper, gateway: Simulator
) -> None:
    order = new_order(contract=MONTHLY)
    form = shopper.start(order, "challenge", agree="on")
    gateway.next_reply(
        "3steps/payment", Reply(200, b"{}", {"Content-Type": "application/json"})
    )
    shopper.return_from_issuer(form, shopper.answer_challenge(form))
    order.refresh_from_db()
    assert order.state == OrderState.PAYING
    assert transitions.transition(order, OrderState.REVIEW, reason=Reason.MISMATCH)
    assert transitions.transition(order, OrderState.REFUNDED)
    contract = Contract.objects.get()
    assert contract.state == ContractState.ENDING
    assert flows.charge_due() == flows.RecurringCounts(ended=1)
    contract.refresh_from_db()
    assert (contract.state, contract.next_charge_at) == (ContractState.ENDED, None)
    with time_travel(40 * DAY):
        assert flows.charge_due() == flows.RecurringCounts()
    assert gateway.counts[MIT_ENDPOINT] == 0


def test_an_end_during_a_charge_comes_too_late_for_it_or_stops_it(
    shopper: Shopper, gateway: Simulator
) -> None:
    contract = make_contract(shopper)
    Contract.objects.filter(pk=contract.pk).update(state=ContractState.ENDING)
    with pytest.raises(ContractNotUsable):
        charge_contract(contract)
    assert not PaymentOrder.objects.filter(channel=Channel.MIT).exists()


def test_past_its_last_day_it_is_not_charged(shopper: Shopper) -> None:
    contract = make_contract(
        shopper, terms=flows.ContractTerms(until=timezone.localdate())
    )
    charge_contract(contract)
    with time_travel(2 * 24 * HOUR), pytest.raises(ContractNotUsable):
        charge_contract(contract, "S-2")


def test_a_charge_on_file_takes_no_card(shopper: Shopper, gateway: Simulator) -> None:
    order = charge_contract(make_contract(shopper, "mit_declined"))
    before = gateway.calls
    assert not order.accepts_card
    assert shopper.submit_card(order).status_code == 303
    assert gateway.calls == before


def events_of(contract: Contract) -> list[tuple[str, object]]:
    first = contract.first_payment
    assert first is not None
    rows = first.events.filter(kind__startswith="contract_end")
    return [(one.kind, one.actor) for one in rows.order_by("pk")]


def test_who_began_an_end_is_on_record_before_nexi_confirms_it(
    shopper: Shopper, gateway: Simulator
) -> None:
    contract = make_contract(shopper)
    clerk = get_user_model().objects.create_user("clerk")
    gateway.fail_next("deactivation")
    with pytest.raises(ContractEndUnconfirmed):
        flows.end_contract(contract, actor=flows.Actor(clerk))
    assert events_of(contract) == [("contract_ending", clerk)]
    gateway.fail_next("deactivation")
    with pytest.raises(ContractEndUnconfirmed):
        flows.end_contract(contract)  # begun already
    assert flows.charge_due().ended == 1
    assert events_of(contract) == [("contract_ending", clerk), ("contract_ended", None)]


def test_an_end_that_a_late_first_payment_begins_is_on_record(
    shopper: Shopper, gateway: Simulator
) -> None:
    order = new_order(contract=MONTHLY)
    form = shopper.start(order, "challenge", agree="on")
    contract = Contract.objects.get()
    flows.end_contract(contract)
    shopper.return_from_issuer(form, shopper.answer_challenge(form))
    kinds = [kind for kind, _ in events_of(contract)]
    assert kinds == ["contract_ending", "contract_ended", "contract_ending"]


@pytest.mark.parametrize("status", [401, 403])
def test_a_rejected_key_at_the_end_of_a_contract_is_an_outage(
    shopper: Shopper, gateway: Simulator, status: int
) -> None:
    contract = make_contract(shopper)
    gateway.next_reply("deactivation", Reply(status))
    with pytest.raises(ContractEndUnconfirmed):
        flows.end_contract(contract)
    assert not TerminalOutage.objects.exists()  # only this request was rejected
    terminal_outages.accepted_probes.clear()
    gateway.api_keys = ()
    with pytest.raises(ContractEndUnconfirmed):
        flows.end_contract(contract)
    outage = TerminalOutage.objects.get()
    assert (outage.terminal, outage.status) == ("default", 401)
    contract.refresh_from_db()
    assert (contract.state, contract.ended_at) == (ContractState.ENDING, None)
