"""Cards on file: what Nexi lists, and the end of it."""

from __future__ import annotations

import json
from contextlib import suppress

import pytest
from django.contrib.auth import get_user_model
from django.db import transaction
from django.utils import timezone

from nexi_payments import flows, states
from nexi_payments.exceptions import (
    ContractNotUsable,
    ContractUnsettled,
)
from nexi_payments.flows import moves
from nexi_payments.models import Contract, PaymentOrder
from nexi_payments.simulator import Reply, Simulator
from nexi_payments.states import Reason
from tests.cards_on_file import MIT, MONTHLY, charge, on_file
from tests.doubt import DAY, HOUR, later
from tests.shopper import Shopper, new_order

pytestmark = pytest.mark.django_db(transaction=True)


def test_nexi_lists_those_that_stand(shopper: Shopper, gateway: Simulator) -> None:
    user = get_user_model().objects.create_user("giulia")
    shopper.browser.force_login(user)
    one = on_file(shopper, user=user)
    two = on_file(shopper, user=user)
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
    contract = on_file(shopper, terms=MONTHLY)
    for _ in range(2):
        flows.end_contract(contract)
    assert (contract.state, contract.due_at) == (states.ENDED, None)
    assert contract.ended_at is not None
    with pytest.raises(ContractNotUsable):
        charge(contract)
    assert gateway.counts[MIT] == 0
    assert gateway.counts["POST /contracts/{id}/deactivation"] == 1
    founding = contract.founding
    assert founding is not None
    assert founding.events.filter(kind="contract_ended").count() == 1


def test_what_was_ended_before_its_first_payment_does_not_come_on_file(
    shopper: Shopper, gateway: Simulator
) -> None:
    order = new_order(contract=MONTHLY)
    form = shopper.start(order, "challenge", agree="on")
    contract = Contract.objects.get()
    assert contract.state == states.REQUESTED
    for _ in range(2):
        flows.end_contract(contract)
    assert (contract.state, contract.due_at) == (states.ENDED, None)
    shopper.come_back(form, shopper.answer(form))
    order.refresh_from_db()
    contract.refresh_from_db()
    assert (order.state, contract.state) == (states.PAID, states.ENDING)
    assert not order.events.filter(kind="contract_active").exists()
    with pytest.raises(ContractNotUsable):
        charge(contract)
    assert flows.charge_due() == flows.Charged(ended=1)
    contract.refresh_from_db()
    assert (contract.state, contract.due_at) == (states.ENDED, None)
    assert gateway.counts["POST /contracts/{id}/deactivation"] == 2
    assert gateway.counts[MIT] == 0
    with later(40 * DAY):
        assert flows.charge_due() == flows.Charged()


def test_an_end_that_nexi_did_not_confirm_is_asked_again(
    shopper: Shopper, gateway: Simulator
) -> None:
    contract = on_file(shopper)
    gateway.fail_next("deactivation")
    with pytest.raises(ContractUnsettled):
        flows.end_contract(contract)
    assert contract.state == states.ENDING
    with pytest.raises(ContractNotUsable):
        charge(contract)
    assert flows.charge_due().ended == 1
    contract.refresh_from_db()
    assert contract.state == states.ENDED


@pytest.mark.parametrize(
    ("status", "code", "state"),
    [
        (400, "PS0017", states.ENDED),
        (404, "PS0017", states.ENDED),
        (404, "", states.ENDED),
        (400, "PS0035", states.ENDING),
        (400, "", states.ENDING),
        (401, "", states.ENDING),
        (409, "PS0017", states.ENDING),
    ],
)
def test_only_a_contract_that_nexi_does_not_know_is_ended_by_a_refusal(
    shopper: Shopper, gateway: Simulator, status: int, code: str, state: str
) -> None:
    contract = on_file(shopper)
    body = json.dumps({"errors": [{"code": code, "description": "no"}]}).encode()
    gateway.next_reply(
        "deactivation", Reply(status, body, {"Content-Type": "application/json"})
    )
    with suppress(ContractUnsettled):
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
    shopper.come_back(form, shopper.answer(form))
    order.refresh_from_db()
    assert order.state == states.PAYING
    assert moves.move(order, states.REVIEW, reason=Reason.MISMATCH)
    assert moves.move(order, states.REFUNDED)
    contract = Contract.objects.get()
    assert contract.state == states.ENDING
    assert flows.charge_due() == flows.Charged(ended=1)
    contract.refresh_from_db()
    assert (contract.state, contract.due_at) == (states.ENDED, None)
    with later(40 * DAY):
        assert flows.charge_due() == flows.Charged()
    assert gateway.counts[MIT] == 0


def test_an_end_during_a_charge_comes_too_late_for_it_or_stops_it(
    shopper: Shopper, gateway: Simulator
) -> None:
    contract = on_file(shopper)
    Contract.objects.filter(pk=contract.pk).update(state=states.ENDING)
    with pytest.raises(ContractNotUsable):
        charge(contract)
    assert not PaymentOrder.objects.filter(channel=states.CHANNEL_MIT).exists()


def test_past_its_last_day_it_is_not_charged(shopper: Shopper) -> None:
    contract = on_file(shopper, terms=flows.CardOnFile(until=timezone.localdate()))
    charge(contract)
    with later(2 * 24 * HOUR), pytest.raises(ContractNotUsable):
        charge(contract, "S-2")


def test_a_charge_on_file_takes_no_card(shopper: Shopper, gateway: Simulator) -> None:
    order = charge(on_file(shopper, "later_no_money"))
    before = gateway.calls
    assert not order.takes_card
    assert shopper.enter(order).status_code == 303
    assert gateway.calls == before
