"""Phone orders above the ceiling: approved before the card is entered, charged once."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from nexi_payments import flows
from nexi_payments.card import Card
from nexi_payments.exceptions import (
    ApprovalClosed,
    ApprovalNotAllowed,
    ApprovalRequired,
    InvalidState,
    OrderBusy,
    OrderNotPayable,
)
from nexi_payments.models import Approval, Operation, PaymentOrder
from nexi_payments.models.sealed_card import SealedCard
from nexi_payments.simulator import Simulator
from nexi_payments.testing import CardDataScan
from tests.support.approvals import CEILINGS, actor, asked
from tests.support.clerk import MOTO_ENDPOINT, grant
from tests.support.concurrency import run_concurrently
from tests.support.shopper import CARDS

pytestmark = pytest.mark.django_db(transaction=True)

DAY = timedelta(hours=24)


@pytest.fixture(autouse=True)
def ceilings(change_settings: Any, gateway: Simulator) -> None:
    change_settings(APPROVAL_CEILINGS=CEILINGS)


@pytest.fixture
def clerk(db: None) -> flows.Actor:
    return actor("anna", "take_moto")


@pytest.fixture
def chief(db: None) -> flows.Actor:
    return actor("bruno", "approve_payment")


def new_phone_order(clerk: flows.Actor, **changes: Any) -> PaymentOrder:
    facts = {"amount": Decimal("12.50"), "currency": "EUR", "terminal": "moto"}
    facts |= {"reference": "T-1"}
    return flows.create_moto_order(**facts | changes, actor=clerk)  # type: ignore[arg-type]


def card(ending: str = "challenge") -> Card:
    test = CARDS[ending]
    return Card(test.number, "1230", "396")


def pay(order: PaymentOrder, by: flows.Actor) -> PaymentOrder:
    row = PaymentOrder.objects.get(pk=order.pk)
    return flows.pay_moto(row, card(), cardholder="Giulia Bianchi", actor=by)


def state(approval: Approval) -> str:
    return Approval.objects.get(pk=approval.pk).state


def test_above_the_ceiling_the_card_is_neither_sent_nor_kept(
    clerk: flows.Actor, gateway: Simulator
) -> None:
    order = new_phone_order(clerk)
    approval = asked(pay, order, clerk)
    assert (approval.kind, approval.amount, approval.terminal) == (
        "moto",
        1250,
        "moto",
    )
    assert (len(gateway.calls), Operation.objects.count()) == (0, 0)
    assert not SealedCard.objects.exists()
    row = PaymentOrder.objects.get(pk=order.pk)
    assert (row.state, row.card_last4, row.claimed_at) == ("init", "", None)
    assert (row.expires_at, row.next_poll_at) == (approval.expires_at,) * 2
    assert approval.expires_at - approval.created_at == DAY
    assert asked(pay, order, clerk) == approval
    assert CardDataScan(CARDS["challenge"].number).findings() == []


def test_at_the_ceiling_no_approval_is_needed(
    clerk: flows.Actor, gateway: Simulator
) -> None:
    order = new_phone_order(clerk, amount=Decimal("10.00"))
    assert pay(order, clerk).state == "paid"
    assert not Approval.objects.exists()


def test_what_the_shops_code_charges_needs_none(clerk: flows.Actor) -> None:
    order = new_phone_order(clerk)
    assert pay(order, flows.Actor()).state == "paid"


def test_approved_the_card_is_charged_once(
    clerk: flows.Actor, chief: flows.Actor, gateway: Simulator
) -> None:
    order = new_phone_order(clerk)
    approval = asked(pay, order, clerk)
    flows.approve(approval, actor=chief)
    assert (approval.state, approval.approver) == ("approved", chief.user)
    order.refresh_from_db()
    assert order.expires_at == approval.expires_at
    assert approval.decided_at is not None
    assert approval.expires_at - approval.decided_at < DAY + timedelta(seconds=1)
    assert gateway.count(MOTO_ENDPOINT) == 0
    assert pay(order, clerk).state == "paid"
    approval.refresh_from_db()
    assert approval.state == "used"
    assert approval.operation is not None
    assert (approval.operation.kind, approval.operation.actor) == ("moto", clerk.user)
    with pytest.raises(OrderNotPayable):
        pay(order, clerk)
    assert gateway.count(MOTO_ENDPOINT) == 1
    kinds = order.events.filter(approval=approval).values_list(
        "kind", "actor__username"
    )
    assert list(kinds.order_by("pk")) == [
        ("approval_requested", "anna"),
        ("approved", "bruno"),
    ]


def test_a_new_attempt_needs_a_new_approval(
    clerk: flows.Actor, chief: flows.Actor, gateway: Simulator
) -> None:
    order = new_phone_order(clerk)
    flows.approve(asked(pay, order, clerk), actor=chief)
    order.refresh_from_db()
    flows.pay_moto(order, card("declined"), cardholder="Giulia", actor=clerk)
    assert order.state == "failed"
    again = new_phone_order(clerk)
    assert again.pk != order.pk
    assert asked(pay, again, clerk).state == "waiting"
    assert gateway.count(MOTO_ENDPOINT) == 1


def test_twelve_submits_with_one_approval(
    clerk: flows.Actor, chief: flows.Actor, gateway: Simulator
) -> None:
    order = new_phone_order(clerk)
    flows.approve(asked(pay, order, clerk), actor=chief)
    got = run_concurrently(
        8, lambda n: pay(order, clerk).state, (OrderBusy, OrderNotPayable)
    )
    assert got.count("paid") == 1, got
    assert gateway.count(MOTO_ENDPOINT) == 1


def test_two_people_approve_at_the_same_moment(
    clerk: flows.Actor, gateway: Simulator
) -> None:
    approval = asked(pay, new_phone_order(clerk), clerk)
    chiefs = [actor(f"chief{n}", "approve_payment") for n in range(4)]

    def approve(place: int) -> str:
        mine = Approval.objects.get(pk=approval.pk)
        return flows.approve(mine, actor=chiefs[place]).approver_name

    got = run_concurrently(4, approve, (ApprovalClosed,))
    winners = [one for one in got if one is not ApprovalClosed]
    assert len(winners) == 1, got
    approval.refresh_from_db()
    assert (approval.state, approval.approver_name) == ("approved", winners[0])


def test_an_approval_is_for_the_person_who_asked(
    clerk: flows.Actor, chief: flows.Actor, gateway: Simulator
) -> None:
    order = new_phone_order(clerk)
    flows.approve(asked(pay, order, clerk), actor=chief)
    grant(chief.user, "approve_payment", "take_moto")
    for other in (actor("carla", "take_moto"), chief):
        mine = asked(pay, order, other)
        assert (mine.state, mine.requester) == ("waiting", other.user)
    assert gateway.count(MOTO_ENDPOINT) == 0


def test_nobody_approves_their_own(clerk: flows.Actor, gateway: Simulator) -> None:
    grant(clerk.user, "take_moto", "approve_payment")
    order = new_phone_order(clerk)
    approval = asked(pay, order, clerk)
    with pytest.raises(ApprovalNotAllowed):
        flows.approve(approval, actor=clerk)
    assert state(approval) == "waiting"
    asked(pay, order, clerk)
    assert gateway.count(MOTO_ENDPOINT) == 0


@pytest.mark.parametrize("who", ["anna", "bruno"])
def test_rights_are_asked_for_again_when_the_card_is_charged(
    who: str, clerk: flows.Actor, chief: flows.Actor, gateway: Simulator
) -> None:
    order = new_phone_order(clerk)
    approval = asked(pay, order, clerk)
    flows.approve(approval, actor=chief)
    grant({"anna": clerk, "bruno": chief}[who].user)
    with pytest.raises(OrderBusy):
        pay(order, clerk)
    row = PaymentOrder.objects.get(pk=order.pk)
    assert (row.state, state(approval)) == ("init", "approved")
    assert (gateway.count(MOTO_ENDPOINT), Operation.objects.count()) == (0, 0)


def test_another_terminal_or_amount_is_not_what_was_approved(
    clerk: flows.Actor, chief: flows.Actor, gateway: Simulator
) -> None:
    order = new_phone_order(clerk)
    approval = asked(pay, order, clerk)
    flows.approve(approval, actor=chief)
    for changes in ({"terminal": "default"}, {"amount": 1249}):
        before = Approval.objects.filter(pk=approval.pk).values(*changes)[0]
        Approval.objects.filter(pk=approval.pk).update(**changes)
        with pytest.raises((OrderBusy, ApprovalRequired)):
            pay(order, clerk)
        Approval.objects.filter(pk=approval.pk).update(**before)
    assert gateway.count(MOTO_ENDPOINT) == 0


def test_an_order_that_became_a_link_is_not_approved(
    clerk: flows.Actor, chief: flows.Actor
) -> None:
    order = new_phone_order(clerk)
    approval = asked(pay, order, clerk)
    flows.offer_link(PaymentOrder.objects.get(pk=order.pk))
    with pytest.raises(InvalidState):
        flows.approve(approval, actor=chief)
    approval.refresh_from_db()
    assert (approval.state, approval.failure) == ("outdated", "state")


def test_refused_it_is_not_asked_for_again_by_itself(
    clerk: flows.Actor, chief: flows.Actor, gateway: Simulator
) -> None:
    order = new_phone_order(clerk)
    approval = asked(pay, order, clerk)
    flows.refuse_approval(approval, reason="no", actor=chief)
    assert asked(pay, order, clerk) == approval
    assert Approval.objects.count() == 1
    assert gateway.count(MOTO_ENDPOINT) == 0


def test_an_approval_that_is_over_charges_nothing(
    clerk: flows.Actor, chief: flows.Actor, gateway: Simulator
) -> None:
    order = new_phone_order(clerk)
    approval = asked(pay, order, clerk)
    flows.approve(approval, actor=chief)
    Approval.objects.update(expires_at=timezone.now())
    assert asked(pay, order, clerk) != approval
    flows.reconcile()
    assert state(approval) == "expired"
    assert gateway.count(MOTO_ENDPOINT) == 0
