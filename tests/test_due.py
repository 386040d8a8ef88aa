"""Charges that are due: once a period, retried by rule, whoever dies where."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from nexi_payments import flows, states
from nexi_payments.flows import alarms, attempts, due
from nexi_payments.models import Contract, PaymentOrder
from nexi_payments.signals import contract_on_hold
from nexi_payments.simulator import Reply, Simulator
from nexi_payments.states import Reason
from tests.cards_on_file import MIT, MONTHLY, Clock, charges, on_file, run
from tests.doubt import DAY, HOUR, charge
from tests.shopper import Shopper

pytestmark = pytest.mark.django_db(transaction=True)


def test_nothing_is_charged_before_its_time(
    shopper: Shopper, gateway: Simulator, clock: Clock
) -> None:
    on_file(shopper, terms=MONTHLY)
    assert run(clock, 29 * DAY) == flows.Charged()
    assert gateway.counts[MIT] == 0


def test_each_period_is_charged_once(
    shopper: Shopper, gateway: Simulator, clock: Clock
) -> None:
    contract = on_file(shopper, terms=MONTHLY)
    first = contract.due_at
    assert first is not None
    assert run(clock, 30 * DAY) == flows.Charged(charged=1)
    assert run(clock) == flows.Charged()
    contract.refresh_from_db()
    assert (contract.period, contract.due_at) == (2, first + timedelta(days=30))
    assert run(clock, 30 * DAY) == flows.Charged(charged=1)
    one, two = charges(contract)
    assert (one.amount, one.state, two.state) == (900, states.PAID, states.PAID)
    assert one.reference == f"{contract.contract_id}/1"
    assert two.reference == f"{contract.contract_id}/2"
    assert gateway.counts[MIT] == 2


def test_missed_periods_are_not_made_up_for(
    shopper: Shopper, gateway: Simulator, clock: Clock
) -> None:
    contract = on_file(shopper, terms=MONTHLY)
    assert run(clock, 100 * DAY).charged == 1
    assert run(clock).charged == 0
    contract.refresh_from_db()
    assert contract.period == 4
    assert contract.due_at == contract.planned(4)
    assert gateway.counts[MIT] == 1


def test_a_contract_without_an_amount_is_the_shops_affair(
    shopper: Shopper, gateway: Simulator, clock: Clock
) -> None:
    contract = on_file(shopper, terms=flows.CardOnFile("Tea", every=30))
    assert contract.due_at is None
    run(clock, 60 * DAY)
    assert gateway.counts[MIT] == 0


def test_a_soft_decline_is_tried_again_by_rule_then_held(
    shopper: Shopper, gateway: Simulator, clock: Clock
) -> None:
    told: list[Any] = []

    def hear(order: PaymentOrder, event: Any, **more: Any) -> None:
        told.append((order.state, event.note))

    contract_on_hold.connect(hear)
    contract = on_file(shopper, "later_no_money", terms=MONTHLY)
    assert run(clock, 30 * DAY + 1) == flows.Charged(retry=1)
    contract.refresh_from_db()
    [one] = charges(contract)
    assert contract.due_at == one.created_at + timedelta(days=1)
    assert [event.kind for event in one.events.all()][-1] == due.RETRY
    assert run(clock, 0.9 * DAY) == flows.Charged()
    assert run(clock, 0.2 * DAY) == flows.Charged(retry=1)
    assert run(clock, 3 * DAY) == flows.Charged(retry=1)
    assert told == []
    assert run(clock, 7 * DAY) == flows.Charged(on_hold=1)
    contract_on_hold.disconnect(hear)
    contract.refresh_from_db()
    assert (contract.state, contract.due_at) == (states.ON_HOLD, None)
    assert told == [(states.FAILED, "116")]
    assert len(charges(contract)) == gateway.counts[MIT] == 4
    assert run(clock, 30 * DAY) == flows.Charged()


def test_a_code_that_forbids_it_is_never_tried_again(
    shopper: Shopper, gateway: Simulator, clock: Clock
) -> None:
    contract = on_file(shopper, "later_lost_card", terms=MONTHLY)
    assert run(clock, 30 * DAY + 1) == flows.Charged(on_hold=1)
    run(clock, 30 * DAY)
    [one] = charges(contract)
    assert one.response_code == "208"
    assert one.events.filter(kind=due.ON_HOLD, note="208").count() == 1
    assert gateway.counts[MIT] == 1


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
        state=states.FAILED, reason=Reason.DECLINED, response_code=code
    )
    order.created_at = timezone.now()
    contract = Contract(contract_id="C", pk=-1)
    made = [order]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(attempts, "attempts_of", lambda contract: made)
        found = attempts.pause_after(contract, order)
    assert found == (timedelta(days=1) if again else None)


def test_a_person_takes_it_off_hold(
    shopper: Shopper, gateway: Simulator, clock: Clock
) -> None:
    contract = on_file(shopper, "later_lost_card", terms=MONTHLY)
    run(clock, 30 * DAY + 1)
    with gateway.store.changing():
        gateway.store._connection().execute(
            "UPDATE contracts SET record = replace(record, 'later_lost_card', 'good')"
        )
    contract.refresh_from_db()
    clock.forward(5)
    flows.resume_contract(contract)
    assert run(clock) == flows.Charged(charged=1)
    contract.refresh_from_db()
    assert (contract.state, contract.period) == (states.ACTIVE, 2)


def test_in_doubt_it_waits_for_the_reconciler(
    shopper: Shopper, gateway: Simulator, clock: Clock
) -> None:
    contract = on_file(shopper, "later_answer_lost", terms=MONTHLY)
    assert run(clock, 30 * DAY + 1) == flows.Charged(in_doubt=1)
    assert run(clock, 600) == flows.Charged()
    assert run(clock, 600) == flows.Charged(in_doubt=1)
    flows.reconcile()
    assert run(clock, 1000) == flows.Charged(charged=1)
    assert gateway.counts[MIT] == 1
    contract.refresh_from_db()
    assert contract.period == 2


def test_what_nobody_confirmed_waits_until_it_cannot_turn_up(
    shopper: Shopper, gateway: Simulator, clock: Clock
) -> None:
    contract = on_file(shopper, terms=MONTHLY)
    gateway.next_reply("orders/mit", Reply(500))
    run(clock, 30 * DAY + 1)
    for _ in range(4):
        clock.forward(HOUR)
        flows.reconcile()
    [one] = charges(contract)
    assert (one.state, one.reason) == (states.FAILED, Reason.UNCONFIRMED)
    assert run(clock, HOUR) == flows.Charged(retry=1)
    contract.refresh_from_db()
    assert contract.due_at is not None
    assert contract.due_at >= one.created_at + timedelta(days=3)
    assert run(clock, DAY) == flows.Charged()
    # the time is over, but nobody has asked Nexi at its end
    assert run(clock, 3 * DAY) == flows.Charged(retry=1)
    gateway.next_reply(f"/orders/{one.order_id}", Reply(500))
    flows.reconcile()
    assert run(clock, HOUR) == flows.Charged(retry=1)
    clock.forward(DAY)
    flows.reconcile()
    assert run(clock, HOUR) == flows.Charged(charged=1)
    assert gateway.counts[MIT] == 2


def test_nexi_is_asked_before_a_declined_card_is_charged_again(
    shopper: Shopper, gateway: Simulator, clock: Clock
) -> None:
    contract = on_file(shopper, "later_no_money", terms=MONTHLY)
    assert run(clock, 30 * DAY + 1) == flows.Charged(retry=1)
    [one] = charges(contract)
    charge(gateway, one)  # it was no decline
    assert run(clock, DAY + 1) == flows.Charged(in_doubt=1)
    one.refresh_from_db()
    assert (one.state, one.reason) == (states.REVIEW, Reason.CHARGED_AFTER_DECLINE)
    assert charges(contract) == [one]
    assert gateway.counts[MIT] == 1


def test_without_an_answer_a_declined_card_is_not_charged_again(
    shopper: Shopper, gateway: Simulator, clock: Clock
) -> None:
    contract = on_file(shopper, "later_no_money", terms=MONTHLY)
    run(clock, 30 * DAY + 1)
    [one] = charges(contract)
    gateway.next_reply(f"/orders/{one.order_id}", Reply(500))
    assert run(clock, DAY + 1) == flows.Charged(retry=1)
    contract.refresh_from_db()
    assert contract.due_at is not None
    assert timezone.now() < contract.due_at <= timezone.now() + timedelta(minutes=15)
    assert gateway.counts[MIT] == 1
    assert run(clock, HOUR) == flows.Charged(retry=1)  # asked, declined once more
    assert gateway.counts[MIT] == 2


def test_what_never_left_is_sent_an_hour_later(
    shopper: Shopper, gateway: Simulator, clock: Clock
) -> None:
    on_file(shopper, terms=MONTHLY)
    gateway.next_reply("orders/mit", Reply(503, fault="refused"))
    assert run(clock, 30 * DAY + 1) == flows.Charged(retry=1)
    assert run(clock, HOUR + 1) == flows.Charged(charged=1)


def test_an_alarmed_terminal_waits(
    shopper: Shopper, gateway: Simulator, clock: Clock
) -> None:
    on_file(shopper, terms=MONTHLY)
    alarms.raise_for("default", 401)
    assert run(clock, 30 * DAY) == flows.Charged()
    assert gateway.counts[MIT] == 0
    alarms.recheck()
    assert run(clock, 1000) == flows.Charged(charged=1)


def test_a_refused_request_is_for_a_person(
    shopper: Shopper, gateway: Simulator, clock: Clock
) -> None:
    contract = on_file(shopper, terms=MONTHLY)
    gateway.store.end_contract(contract.contract_id)
    assert run(clock, 30 * DAY + 1) == flows.Charged(in_doubt=1)
    clock.forward(120)
    flows.reconcile()
    clock.forward(600)
    flows.reconcile()
    assert run(clock, HOUR) == flows.Charged(on_hold=1)
    [one] = charges(contract)
    assert (one.state, one.reason) == (states.FAILED, Reason.REFUSED)


def test_a_key_that_was_refused_is_not_held_against_the_card(
    shopper: Shopper, gateway: Simulator, clock: Clock
) -> None:
    contract = on_file(shopper, terms=MONTHLY)
    gateway.next_reply("orders/mit", Reply(401))
    assert run(clock, 30 * DAY + 1) == flows.Charged(in_doubt=1)
    for _ in range(3):
        clock.forward(600)
        flows.reconcile()
    [one] = charges(contract)
    assert (one.state, one.reason) == (states.FAILED, Reason.REFUSED)
    assert run(clock, 1) == flows.Charged(retry=1)
    contract.refresh_from_db()
    assert contract.state == states.ACTIVE
    assert contract.due_at == one.created_at + timedelta(days=1)
    assert run(clock, DAY) == flows.Charged(charged=1)
    assert gateway.counts[MIT] == 2


def test_past_its_last_day_it_ends(
    shopper: Shopper, gateway: Simulator, clock: Clock
) -> None:
    until = timezone.localdate() + timedelta(days=20)
    terms = flows.CardOnFile("Tea", every=30, amount=MONTHLY.amount, until=until)
    contract = on_file(shopper, terms=terms)
    assert run(clock, 31 * DAY) == flows.Charged(ended=1)
    contract.refresh_from_db()
    assert contract.state == states.ENDED
    assert gateway.counts[MIT] == 0
