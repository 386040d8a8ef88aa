"""Recurring charges: once a period, retried by rule."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from nexi_payments import flows
from nexi_payments.enums import ContractState, EventKind, OrderState, Reason
from nexi_payments.flows import retry_policy
from nexi_payments.flows.ledger import terminal_outages
from nexi_payments.models import Contract, PaymentOrder
from nexi_payments.signals import contract_on_hold
from nexi_payments.simulator import Reply, Simulator
from tests.support.contracts import (
    MIT_ENDPOINT,
    MONTHLY,
    Clock,
    make_contract,
    mit_orders,
    run_charge_due,
)
from tests.support.in_doubt import DAY, HOUR, charge_at_gateway, order_reply
from tests.support.shopper import Shopper

pytestmark = pytest.mark.django_db(transaction=True)


def test_nothing_is_charged_before_its_time(
    shopper: Shopper, gateway: Simulator, clock: Clock
) -> None:
    make_contract(shopper, terms=MONTHLY)
    assert run_charge_due(clock, 29 * DAY) == flows.RecurringCounts()
    assert gateway.counts[MIT_ENDPOINT] == 0


def test_each_period_is_charged_once(
    shopper: Shopper, gateway: Simulator, clock: Clock
) -> None:
    contract = make_contract(shopper, terms=MONTHLY)
    first = contract.next_charge_at
    assert first is not None
    assert run_charge_due(clock, 30 * DAY) == flows.RecurringCounts(charged=1)
    assert run_charge_due(clock) == flows.RecurringCounts()
    contract.refresh_from_db()
    assert (contract.period, contract.next_charge_at) == (2, first + timedelta(days=30))
    assert run_charge_due(clock, 30 * DAY) == flows.RecurringCounts(charged=1)
    one, two = mit_orders(contract)
    assert (one.amount, one.state, two.state) == (900, OrderState.PAID, OrderState.PAID)
    assert one.reference == f"{contract.contract_id}/1"  # the first has none
    assert two.reference == f"{contract.contract_id}/2"
    assert gateway.counts[MIT_ENDPOINT] == 2


def test_missed_periods_are_not_made_up_for(
    shopper: Shopper, gateway: Simulator, clock: Clock
) -> None:
    contract = make_contract(shopper, terms=MONTHLY)
    assert run_charge_due(clock, 100 * DAY).charged == 1
    assert run_charge_due(clock).charged == 0
    contract.refresh_from_db()
    assert contract.period == 4
    assert contract.next_charge_at == contract.scheduled_at(4)
    assert gateway.counts[MIT_ENDPOINT] == 1


def test_a_contract_without_an_amount_is_the_shops_affair(
    shopper: Shopper, gateway: Simulator, clock: Clock
) -> None:
    contract = make_contract(
        shopper, terms=flows.ContractTerms("Tea", interval_days=30)
    )
    assert contract.next_charge_at is None
    run_charge_due(clock, 60 * DAY)
    assert gateway.counts[MIT_ENDPOINT] == 0


def test_a_soft_decline_is_tried_again_by_rule_then_held(
    shopper: Shopper, gateway: Simulator, clock: Clock
) -> None:
    told: list[Any] = []

    def hear(order: PaymentOrder, event: Any, **more: Any) -> None:
        told.append((order.state, event.note))

    contract_on_hold.connect(hear)
    contract = make_contract(shopper, "mit_declined", terms=MONTHLY)
    assert run_charge_due(clock, 30 * DAY + 1) == flows.RecurringCounts(retry=1)
    contract.refresh_from_db()
    [one] = mit_orders(contract)
    assert contract.next_charge_at == one.created_at + timedelta(days=1)
    assert [event.kind for event in one.events.all()][-1] == EventKind.CHARGE_RETRY
    assert run_charge_due(clock, 0.9 * DAY) == flows.RecurringCounts()
    assert run_charge_due(clock, 0.2 * DAY) == flows.RecurringCounts(retry=1)
    assert run_charge_due(clock, 3 * DAY) == flows.RecurringCounts(retry=1)
    assert told == []
    assert run_charge_due(clock, 7 * DAY) == flows.RecurringCounts(suspended=1)
    contract_on_hold.disconnect(hear)
    contract.refresh_from_db()
    assert (contract.state, contract.next_charge_at) == (ContractState.SUSPENDED, None)
    assert told == [(OrderState.FAILED, "116")]
    assert len(mit_orders(contract)) == gateway.counts[MIT_ENDPOINT] == 4
    assert run_charge_due(clock, 30 * DAY) == flows.RecurringCounts()


def test_a_code_that_forbids_it_is_never_tried_again(
    shopper: Shopper, gateway: Simulator, clock: Clock
) -> None:
    contract = make_contract(shopper, "mit_lost_card", terms=MONTHLY)
    assert run_charge_due(clock, 30 * DAY + 1) == flows.RecurringCounts(suspended=1)
    run_charge_due(clock, 30 * DAY)
    [one] = mit_orders(contract)
    assert one.response_code == "208"
    assert one.events.filter(kind=EventKind.CONTRACT_SUSPENDED, note="208").count() == 1
    assert gateway.counts[MIT_ENDPOINT] == 1


@pytest.mark.parametrize(
    ("code", "again"),
    [
        *((code, True) for code in ("116", "121", "123", "903", "907", "911")),
        *((code, False) for code in ("413", "208", "209", "101", "100", "", "913")),
        ("102", False),
        ("999", False),
    ],
)
def test_which_codes_allow_another_attempt(code: str, again: bool) -> None:
    order = PaymentOrder(
        state=OrderState.FAILED, reason=Reason.DECLINED, response_code=code
    )
    order.created_at = timezone.now()
    contract = Contract(contract_id="C", pk=-1)
    made = [order]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(retry_policy, "period_attempts", lambda contract: made)
        found = retry_policy.retry_delay(contract, order)
    assert found == (timedelta(days=1) if again else None)


def test_a_person_takes_it_off_hold(
    shopper: Shopper, gateway: Simulator, clock: Clock
) -> None:
    contract = make_contract(shopper, "mit_lost_card", terms=MONTHLY)
    run_charge_due(clock, 30 * DAY + 1)
    with gateway.store.transaction():
        gateway.store._connection().execute(
            "UPDATE contracts SET record = replace(record, 'mit_lost_card', 'good')"
        )
    contract.refresh_from_db()
    clock.advance(5)
    flows.resume_contract(contract)
    assert run_charge_due(clock) == flows.RecurringCounts(charged=1)
    contract.refresh_from_db()
    assert (contract.state, contract.period) == (ContractState.ACTIVE, 2)


def test_in_doubt_it_waits_for_the_reconciler(
    shopper: Shopper, gateway: Simulator, clock: Clock
) -> None:
    contract = make_contract(shopper, "mit_answer_lost", terms=MONTHLY)
    assert run_charge_due(clock, 30 * DAY + 1) == flows.RecurringCounts(in_doubt=1)
    assert run_charge_due(clock, 600) == flows.RecurringCounts()
    assert run_charge_due(clock, 600) == flows.RecurringCounts(in_doubt=1)
    flows.reconcile()
    assert run_charge_due(clock, 1000) == flows.RecurringCounts(charged=1)
    assert gateway.counts[MIT_ENDPOINT] == 1
    contract.refresh_from_db()
    assert contract.period == 2


def test_what_nobody_confirmed_waits_until_it_cannot_turn_up(
    shopper: Shopper, gateway: Simulator, clock: Clock
) -> None:
    contract = make_contract(shopper, terms=MONTHLY)
    gateway.next_reply("orders/mit", Reply(500))
    run_charge_due(clock, 30 * DAY + 1)
    for _ in range(4):
        clock.advance(HOUR)
        flows.reconcile()
    [one] = mit_orders(contract)
    assert (one.state, one.reason) == (OrderState.FAILED, Reason.UNCONFIRMED)
    assert run_charge_due(clock, HOUR) == flows.RecurringCounts(retry=1)
    contract.refresh_from_db()
    assert contract.next_charge_at is not None
    assert contract.next_charge_at >= one.created_at + timedelta(days=3)
    assert run_charge_due(clock, DAY) == flows.RecurringCounts()
    # the watch's end has passed, but no inquiry was made after it
    assert run_charge_due(clock, 3 * DAY) == flows.RecurringCounts(retry=1)
    gateway.next_reply(f"/orders/{one.order_id}", Reply(500))
    flows.reconcile()
    assert run_charge_due(clock, HOUR) == flows.RecurringCounts(retry=1)
    clock.advance(DAY)
    flows.reconcile()
    assert run_charge_due(clock, HOUR) == flows.RecurringCounts(charged=1)
    assert gateway.counts[MIT_ENDPOINT] == 2


def test_nexi_is_asked_before_a_declined_card_is_charged_again(
    shopper: Shopper, gateway: Simulator, clock: Clock
) -> None:
    contract = make_contract(shopper, "mit_declined", terms=MONTHLY)
    assert run_charge_due(clock, 30 * DAY + 1) == flows.RecurringCounts(retry=1)
    [one] = mit_orders(contract)
    charge_at_gateway(gateway, one)  # it was no decline
    assert run_charge_due(clock, DAY + 1) == flows.RecurringCounts(in_doubt=1)
    one.refresh_from_db()
    assert (one.state, one.reason) == (OrderState.REVIEW, Reason.CHARGED_AFTER_DECLINE)
    assert mit_orders(contract) == [one]
    assert gateway.counts[MIT_ENDPOINT] == 1


def test_without_an_answer_a_declined_card_is_not_charged_again(
    shopper: Shopper, gateway: Simulator, clock: Clock
) -> None:
    contract = make_contract(shopper, "mit_declined", terms=MONTHLY)
    run_charge_due(clock, 30 * DAY + 1)
    [one] = mit_orders(contract)
    gateway.next_reply(f"/orders/{one.order_id}", Reply(500))
    assert run_charge_due(clock, DAY + 1) == flows.RecurringCounts(retry=1)
    contract.refresh_from_db()
    assert contract.next_charge_at is not None
    assert (
        timezone.now()
        < contract.next_charge_at
        <= timezone.now() + timedelta(minutes=15)
    )
    assert gateway.counts[MIT_ENDPOINT] == 1
    assert run_charge_due(clock, HOUR) == flows.RecurringCounts(
        retry=1
    )  # asked, declined once more
    assert gateway.counts[MIT_ENDPOINT] == 2


def test_a_list_that_lacks_what_it_showed_does_not_confirm_a_decline(
    shopper: Shopper, gateway: Simulator, clock: Clock
) -> None:
    """The charge that it shows no more may have succeeded."""
    contract = make_contract(shopper, "mit_declined", terms=MONTHLY)
    run_charge_due(clock, 30 * DAY + 1)
    [one] = mit_orders(contract)
    flows.reconcile(one)  # the declined charge is listed
    for _ in range(2):
        gateway.next_reply(f"/orders/{one.order_id}", order_reply(one))
        assert run_charge_due(clock, DAY + 1) == flows.RecurringCounts(retry=1)
        assert gateway.counts[MIT_ENDPOINT] == 1
    # listed again, as declined: it is charged once more
    assert run_charge_due(clock, HOUR) == flows.RecurringCounts(retry=1)
    assert gateway.counts[MIT_ENDPOINT] == 2


def test_what_never_left_is_sent_an_hour_later(
    shopper: Shopper, gateway: Simulator, clock: Clock
) -> None:
    make_contract(shopper, terms=MONTHLY)
    gateway.next_reply("orders/mit", Reply(503, fault="refused"))
    assert run_charge_due(clock, 30 * DAY + 1) == flows.RecurringCounts(retry=1)
    assert run_charge_due(clock, HOUR + 1) == flows.RecurringCounts(charged=1)


def test_an_alarmed_terminal_waits(
    shopper: Shopper, gateway: Simulator, clock: Clock
) -> None:
    make_contract(shopper, terms=MONTHLY)
    terminal_outages.record("default", 401)
    assert run_charge_due(clock, 30 * DAY) == flows.RecurringCounts()
    assert gateway.counts[MIT_ENDPOINT] == 0
    terminal_outages.probe()
    assert run_charge_due(clock, 1000) == flows.RecurringCounts(charged=1)


def test_a_refused_request_is_for_a_person(
    shopper: Shopper, gateway: Simulator, clock: Clock
) -> None:
    contract = make_contract(shopper, terms=MONTHLY)
    gateway.store.end_contract(contract.contract_id)
    assert run_charge_due(clock, 30 * DAY + 1) == flows.RecurringCounts(in_doubt=1)
    clock.advance(120)
    flows.reconcile()
    clock.advance(600)
    flows.reconcile()
    assert run_charge_due(clock, HOUR) == flows.RecurringCounts(suspended=1)
    [one] = mit_orders(contract)
    assert (one.state, one.reason) == (OrderState.FAILED, Reason.REJECTED)


def test_a_key_that_was_refused_is_not_held_against_the_card(
    shopper: Shopper, gateway: Simulator, clock: Clock
) -> None:
    contract = make_contract(shopper, terms=MONTHLY)
    gateway.next_reply("orders/mit", Reply(401))
    assert run_charge_due(clock, 30 * DAY + 1) == flows.RecurringCounts(in_doubt=1)
    for _ in range(3):
        clock.advance(600)
        flows.reconcile()
    [one] = mit_orders(contract)
    assert (one.state, one.reason) == (OrderState.FAILED, Reason.REJECTED)
    assert run_charge_due(clock, 1) == flows.RecurringCounts(retry=1)
    contract.refresh_from_db()
    assert contract.state == ContractState.ACTIVE
    assert contract.next_charge_at == one.created_at + timedelta(days=1)
    assert run_charge_due(clock, DAY) == flows.RecurringCounts(charged=1)
    assert gateway.counts[MIT_ENDPOINT] == 2


def test_past_its_last_day_it_ends(
    shopper: Shopper, gateway: Simulator, clock: Clock
) -> None:
    until = timezone.localdate() + timedelta(days=20)
    terms = flows.ContractTerms(
        "Tea", interval_days=30, amount=MONTHLY.amount, until=until
    )
    contract = make_contract(shopper, terms=terms)
    assert run_charge_due(clock, 31 * DAY) == flows.RecurringCounts(ended=1)
    contract.refresh_from_db()
    assert contract.state == ContractState.ENDED
    assert gateway.counts[MIT_ENDPOINT] == 0
