"""Refunds above the ceiling: nothing is sent before another person has approved it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from nexi_payments import exceptions, flows
from nexi_payments.exceptions import (
    AmountChanged,
    ApprovalClosed,
    ApprovalNotAllowed,
    ApprovalRequired,
    CardDataNotAllowed,
    GatewayUnavailable,
    InvalidState,
    OrderBusy,
)
from nexi_payments.models import Approval, Event, Operation, PaymentOrder
from nexi_payments.signals import refund_failed
from nexi_payments.simulator import Reply, Simulator
from tests.support.approvals import CEILINGS, actor, asked
from tests.support.clerk import grant
from tests.support.concurrency import run_concurrently
from tests.support.in_doubt import reconcile_after
from tests.support.queued_refunds import DUE, enqueue_and_die
from tests.support.shopper import Shopper, new_order

pytestmark = pytest.mark.django_db(transaction=True)

REFUND = "POST /operations/{id}/refunds"


@pytest.fixture(autouse=True)
def ceilings(change_settings: Any) -> None:
    change_settings(APPROVAL_CEILINGS=CEILINGS)


@pytest.fixture
def paid(shopper: Shopper) -> PaymentOrder:
    return shopper.pay(new_order(reference="R-1"))


@pytest.fixture
def clerk(db: None) -> flows.Actor:
    return actor("anna", "refund_payment")


@pytest.fixture
def chief(db: None) -> flows.Actor:
    return actor("bruno", "approve_payment")


def seen(approval: Approval) -> tuple[str, str, str]:
    row = Approval.objects.get(pk=approval.pk)
    return row.state, row.failure, row.approver_name


def history(order: PaymentOrder) -> list[tuple[str, str]]:
    """Kind and actor of each event of an approval."""
    rows = order.events.filter(approval__isnull=False).order_by("pk")
    return [(one.kind, str(one.actor or "")) for one in rows]


# -- the request ---------------------------------------------------------------------


def test_above_the_ceiling_nothing_is_sent(
    paid: PaymentOrder, clerk: flows.Actor, gateway: Simulator
) -> None:
    before, calls = Operation.objects.count(), len(gateway.calls)
    approval = asked(flows.refund, paid, Decimal("5.01"), actor=clerk)
    assert (Operation.objects.count(), len(gateway.calls)) == (before, calls)
    row = Approval.objects.get()
    assert row == approval
    assert (row.kind, row.amount, row.terminal) == ("refund", 501, "default")
    assert (row.state, row.requester, row.requester_name) == (
        "waiting",
        clerk.user,
        "anna",
    )
    assert (row.expected_remaining, row.address) == (1250, clerk.address)
    assert row.expires_at - row.created_at == timedelta(hours=24)
    assert history(paid) == [("approval_requested", "anna")]


def test_at_the_ceiling_and_below_it_is_sent(
    paid: PaymentOrder, clerk: flows.Actor, gateway: Simulator
) -> None:
    assert flows.refund(paid, Decimal("5.00"), actor=clerk).outcome == "done"
    assert not Approval.objects.exists()


def test_parts_below_the_ceiling_count_together(
    paid: PaymentOrder, clerk: flows.Actor, gateway: Simulator
) -> None:
    flows.refund(paid, Decimal("3.00"), actor=clerk)
    enqueue_and_die(paid, "1.50", actor=clerk)  # not sent yet
    paid.refresh_from_db()
    colleague = actor("carla", "refund_payment")
    approval = asked(flows.refund, paid, Decimal("0.51"), actor=colleague)
    assert (approval.amount, gateway.count(REFUND)) == (51, 1)
    assert flows.refund(paid, Decimal("0.50"), actor=colleague).outcome == "done"


def test_what_the_shop_refunds_and_what_was_approved_does_not_count(
    paid: PaymentOrder, clerk: flows.Actor, chief: flows.Actor
) -> None:
    flows.refund(paid, Decimal("2.00"))  # by code of the shop, without a person
    paid.refresh_from_db()
    approval = asked(flows.refund, paid, Decimal("5.01"), actor=clerk)
    flows.approve(approval, actor=chief)
    paid.refresh_from_db()
    assert flows.refund(paid, Decimal("5.00"), actor=clerk).outcome == "done"


def test_the_highest_ceiling_of_the_persons_groups_counts(
    paid: PaymentOrder, gateway: Simulator, change_settings: Any
) -> None:
    manager = actor("mara", "refund_payment", groups=("Managers",))
    assert flows.refund(paid, Decimal("6.00"), actor=manager).outcome == "done"
    amounts = {"*": {"EUR": 500}, "Trainees": {"EUR": 100}, "Desk": {"EUR": 200}}
    change_settings(APPROVAL_CEILINGS={"refund_payment": amounts})
    trainee = actor("tom", "refund_payment", groups=("Trainees", "Desk"))
    fresh = Shopper(gateway).pay(new_order(reference="R-2"))
    assert asked(flows.refund, fresh, Decimal("2.01"), actor=trainee).amount == 201
    assert flows.refund(fresh, Decimal("2.00"), actor=trainee).outcome == "done"


def test_a_currency_without_a_ceiling_needs_an_approval(
    paid: PaymentOrder, clerk: flows.Actor, change_settings: Any
) -> None:
    change_settings(APPROVAL_CEILINGS={"refund_payment": {"*": {"USD": 10_000}}})
    assert asked(flows.refund, paid, Decimal("0.01"), actor=clerk).amount == 1


def test_without_the_setting_or_without_an_entry_nobody_is_asked(
    paid: PaymentOrder, clerk: flows.Actor, change_settings: Any
) -> None:
    change_settings(APPROVAL_CEILINGS={"refund_payment": {"Trainees": {"EUR": 0}}})
    assert flows.refund(paid, Decimal("6.00"), actor=clerk).outcome == "done"
    change_settings(APPROVAL_CEILINGS={})
    paid.refresh_from_db()
    assert flows.refund(paid, Decimal("6.00"), actor=clerk).outcome == "done"


def test_all_that_remains_is_judged_by_what_nexi_shows(
    paid: PaymentOrder, clerk: flows.Actor, gateway: Simulator
) -> None:
    """Our books may show less than there is: the second check counts."""
    PaymentOrder.objects.filter(pk=paid.pk).update(refunded_amount=1000)
    approval = asked(flows.refund, paid, actor=clerk)
    assert (approval.amount, approval.expected_remaining) == (1250, 1250)
    assert gateway.count(REFUND) == 0


def test_the_same_request_is_stored_once(
    paid: PaymentOrder, clerk: flows.Actor, chief: flows.Actor
) -> None:
    first = asked(flows.refund, paid, Decimal("6.00"), actor=clerk)
    assert asked(flows.refund, paid, Decimal("6.00"), actor=clerk) == first
    assert asked(flows.refund, paid, Decimal("6.01"), actor=clerk) != first
    colleague = actor("carla", "refund_payment")
    assert asked(flows.refund, paid, Decimal("6.00"), actor=colleague) != first
    by_key = asked(flows.refund, paid, Decimal("7.00"), actor=clerk, nonce="n" * 32)
    flows.refuse_approval(by_key, reason="no", actor=chief)
    again = asked(flows.refund, paid, Decimal("7.00"), actor=clerk, nonce="n" * 32)
    assert (again, again.state) == (by_key, "refused")  # the same request, decided


def test_a_nonce_of_another_payment(
    paid: PaymentOrder, clerk: flows.Actor, shopper: Shopper
) -> None:
    asked(flows.refund, paid, Decimal("6.00"), actor=clerk, nonce="n" * 32)
    other = shopper.pay(new_order(reference="R-2"))
    with pytest.raises(InvalidState):
        flows.refund(other, Decimal("6.00"), actor=clerk, nonce="n" * 32)
    assert Approval.objects.count() == 1


# -- approved ------------------------------------------------------------------------


def test_another_person_approves_and_it_is_sent(
    paid: PaymentOrder, clerk: flows.Actor, chief: flows.Actor, gateway: Simulator
) -> None:
    approval = asked(flows.refund, paid, Decimal("6.00"), actor=clerk, nonce="n" * 32)
    flows.approve(approval, actor=chief)
    assert seen(approval) == ("used", "", "bruno")
    operation = approval.operation
    assert operation is not None
    assert (operation.amount, operation.outcome, operation.actor) == (
        600,
        "done",
        clerk.user,
    )
    assert operation.address == clerk.address
    assert gateway.count(REFUND) == 1
    paid.refresh_from_db()
    assert paid.refunded_amount == 600
    assert history(paid) == [("approval_requested", "anna"), ("approved", "bruno")]
    event = paid.events.get(kind="approved")
    assert (event.operation, event.address) == (operation, chief.address)
    # the first request, repeated, finds what became of it
    again = flows.refund(paid, Decimal("6.00"), actor=clerk, nonce="n" * 32)
    assert (again, gateway.count(REFUND)) == (operation, 1)


def test_nobody_approves_their_own(
    paid: PaymentOrder, clerk: flows.Actor, gateway: Simulator
) -> None:
    grant(clerk.user, "refund_payment", "approve_payment")
    approval = asked(flows.refund, paid, Decimal("6.00"), actor=clerk)
    with pytest.raises(ApprovalNotAllowed):
        flows.approve(approval, actor=clerk)
    assert (seen(approval)[0], gateway.count(REFUND)) == ("waiting", 0)


@pytest.mark.parametrize("right", ["refund_payment", "resolve_review", ""])
def test_without_the_permission_nobody_approves(
    right: str, paid: PaymentOrder, clerk: flows.Actor, gateway: Simulator
) -> None:
    approval = asked(flows.refund, paid, Decimal("6.00"), actor=clerk)
    other = actor("nora", *([right] if right else []))
    with pytest.raises(ApprovalNotAllowed):
        flows.approve(approval, actor=other)
    with pytest.raises(ApprovalNotAllowed):
        flows.refuse_approval(approval, reason="no", actor=other)
    with pytest.raises(ApprovalNotAllowed):
        flows.approve(approval, actor=flows.Actor())
    assert (seen(approval), gateway.count(REFUND)) == (("waiting", "", ""), 0)


def test_an_amount_that_changed_in_between(
    paid: PaymentOrder, clerk: flows.Actor, chief: flows.Actor, gateway: Simulator
) -> None:
    approval = asked(flows.refund, paid, Decimal("6.00"), actor=clerk)
    flows.refund(paid, Decimal("0.01"))
    with pytest.raises(AmountChanged):
        flows.approve(approval, actor=chief)
    assert seen(approval) == ("outdated", "amount", "")
    assert gateway.count(REFUND) == 1  # the cent
    with pytest.raises(ApprovalClosed):
        flows.approve(approval, actor=chief)
    assert gateway.count(REFUND) == 1


def test_money_that_went_back_at_nexi_in_between(
    paid: PaymentOrder, clerk: flows.Actor, chief: flows.Actor, gateway: Simulator
) -> None:
    approval = asked(flows.refund, paid, Decimal("6.00"), actor=clerk)
    gateway.make_at_nexi(paid.order_id, "refund", 100)
    with pytest.raises(AmountChanged):
        flows.approve(approval, actor=chief)
    assert (seen(approval)[:2], gateway.count(REFUND)) == (("outdated", "amount"), 0)


def test_the_person_who_asked_may_not_refund_any_more(
    paid: PaymentOrder, clerk: flows.Actor, chief: flows.Actor, gateway: Simulator
) -> None:
    approval = asked(flows.refund, paid, Decimal("6.00"), actor=clerk)
    grant(clerk.user, "view_paymentorder")
    with pytest.raises(ApprovalClosed):
        flows.approve(approval, actor=chief)
    assert seen(approval) == ("outdated", "requester", "")
    assert gateway.count(REFUND) == 0


def test_the_person_who_asked_has_left(
    paid: PaymentOrder, clerk: flows.Actor, chief: flows.Actor, gateway: Simulator
) -> None:
    approval = asked(flows.refund, paid, Decimal("6.00"), actor=clerk)
    clerk.user.is_active = False
    clerk.user.save()
    with pytest.raises(ApprovalClosed):
        flows.approve(approval, actor=chief)
    assert (seen(approval)[1], gateway.count(REFUND)) == ("requester", 0)
    again = asked(flows.refund, paid, Decimal("7.00"), actor=actor("c", "take_moto"))
    again.requester.delete()
    with pytest.raises(ApprovalNotAllowed):
        flows.approve(again, actor=chief)
    row = Approval.objects.get(pk=again.pk)
    assert (row.requester, row.requester_name, row.state) == (None, "c", "waiting")


def test_rights_that_change_just_before_the_claim(
    paid: PaymentOrder,
    clerk: flows.Actor,
    chief: flows.Actor,
    gateway: Simulator,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The claim asks again, in its own commit."""
    approval = asked(flows.refund, paid, Decimal("6.00"), actor=clerk)
    handle = gateway.handle

    def revoking(method: str, url: str, headers: Any, body: bytes) -> Any:
        grant(chief.user)
        return handle(method, url, headers, body)

    monkeypatch.setattr(gateway, "handle", revoking)
    with pytest.raises(OrderBusy):
        flows.approve(approval, actor=chief)
    assert (seen(approval), gateway.count(REFUND)) == (("waiting", "", ""), 0)
    assert not Operation.objects.filter(kind="refund").exists()


def test_nexi_does_not_answer(
    paid: PaymentOrder, clerk: flows.Actor, chief: flows.Actor, gateway: Simulator
) -> None:
    approval = asked(flows.refund, paid, Decimal("6.00"), actor=clerk)
    gateway.next_reply("/orders/", Reply(500))
    with pytest.raises(GatewayUnavailable):
        flows.approve(approval, actor=chief)
    assert (seen(approval), gateway.count(REFUND)) == (("waiting", "", ""), 0)


def test_two_people_approve_at_the_same_moment(
    paid: PaymentOrder, clerk: flows.Actor, gateway: Simulator
) -> None:
    approval = asked(flows.refund, paid, Decimal("3.00") * 2, actor=clerk)
    chiefs = [actor(f"chief{n}", "approve_payment") for n in range(4)]
    refusals = (ApprovalClosed, AmountChanged, OrderBusy)

    def approve(place: int) -> str:
        mine = Approval.objects.get(pk=approval.pk)
        flows.approve(mine, actor=chiefs[place])
        return str(chiefs[place].user)

    got = run_concurrently(4, approve, refusals)
    winners = [one for one in got if one not in refusals]
    assert len(winners) == 1, got
    assert gateway.count(REFUND) == 1
    assert seen(approval) == ("used", "", winners[0])
    assert gateway.charge_of(paid.order_id).refunded == 600
    assert history(paid)[1:] == [("approved", winners[0])]


def test_a_refund_of_one_capture(
    shopper: Shopper, clerk: flows.Actor, chief: flows.Actor
) -> None:
    order = shopper.pay(new_order(terminal="manual"))
    first = flows.capture(order, Decimal("6.00"))
    flows.capture(order, Decimal("6.50"))
    approval = asked(flows.refund, order, Decimal("5.50"), capture=first, actor=clerk)
    assert (approval.capture, approval.expected_remaining) == (first, 600)
    flows.approve(approval, actor=chief)
    assert approval.operation is not None
    assert approval.operation.capture == first


# -- refused, withdrawn, expired -----------------------------------------------------


def test_refused_requests_stay_visible_and_are_not_sent(
    paid: PaymentOrder, clerk: flows.Actor, chief: flows.Actor, gateway: Simulator
) -> None:
    approval = asked(flows.refund, paid, Decimal("6.00"), actor=clerk)
    flows.refuse_approval(approval, reason=" wrong customer ", actor=chief)
    assert seen(approval) == ("refused", "", "bruno")
    assert approval.decision_reason == "wrong customer"
    assert history(paid)[1:] == [("approval_refused", "bruno")]
    assert paid.events.get(kind="approval_refused").note == "wrong customer"
    for decide in (
        lambda: flows.approve(approval, actor=chief),
        lambda: flows.refuse_approval(approval, reason="x", actor=chief),
    ):
        with pytest.raises(ApprovalClosed):
            decide()
    assert gateway.count(REFUND) == 0


def test_the_person_who_asked_takes_it_back(
    paid: PaymentOrder, clerk: flows.Actor, chief: flows.Actor
) -> None:
    approval = asked(flows.refund, paid, Decimal("6.00"), actor=clerk)
    flows.refuse_approval(approval, reason="mistyped", actor=clerk)
    assert seen(approval) == ("withdrawn", "", "")
    assert history(paid)[1:] == [("approval_withdrawn", "anna")]


@pytest.mark.parametrize(
    ("reason", "error"),
    [
        ("", ValueError),
        ("x" * 301, ValueError),
        ("card 4349 9401 9900 4549", CardDataNotAllowed),
    ],
)
def test_a_refusal_needs_a_reason_without_a_card_number(
    reason: str,
    error: type[Exception],
    paid: PaymentOrder,
    clerk: flows.Actor,
    chief: flows.Actor,
) -> None:
    approval = asked(flows.refund, paid, Decimal("6.00"), actor=clerk)
    with pytest.raises(error):
        flows.refuse_approval(approval, reason=reason, actor=chief)
    assert seen(approval) == ("waiting", "", "")


def test_it_expires_after_a_day(
    paid: PaymentOrder, clerk: flows.Actor, chief: flows.Actor, gateway: Simulator
) -> None:
    approval = asked(flows.refund, paid, Decimal("6.00"), actor=clerk)
    flows.reconcile()
    assert seen(approval)[0] == "waiting"
    over = timezone.now() - timedelta(seconds=1)
    Approval.objects.update(expires_at=over)
    with pytest.raises(ApprovalClosed):  # also before the reconciler has passed
        flows.approve(approval, actor=chief)
    flows.reconcile()
    assert seen(approval) == ("expired", "", "")
    assert history(paid)[1:] == [("approval_expired", "")]
    assert gateway.count(REFUND) == 0


# -- the queue -----------------------------------------------------------------------


@pytest.fixture
def failures() -> Iterator[list[str]]:
    found: list[str] = []

    def hear(event: Event, **kwargs: Any) -> None:
        found.append(f"{event.queued_refund.key} {event.queued_refund.failure}")

    refund_failed.connect(hear)
    yield found
    refund_failed.disconnect(hear)


def enqueue(paid: PaymentOrder, clerk: flows.Actor, **more: Any) -> Any:
    with transaction.atomic():
        return flows.enqueue_refund(
            paid, Decimal("6.00"), key="K-1", reason="broken", actor=clerk, **more
        )


def test_a_queued_refund_waits_with_its_amount_reserved(
    paid: PaymentOrder, clerk: flows.Actor, gateway: Simulator
) -> None:
    queued = enqueue(paid, clerk)
    assert (queued.state, queued.next_attempt_at) == ("awaiting_approval", None)
    flows.reconcile()
    assert gateway.count(REFUND) == 0
    paid.refresh_from_db()
    assert (paid.queued_amount, flows.available(paid).refund) == (600, 650)
    assert enqueue(paid, clerk) == queued
    assert (queued.approval.reason, Approval.objects.count()) == ("broken", 1)


def test_a_rollback_leaves_no_request(paid: PaymentOrder, clerk: flows.Actor) -> None:
    with transaction.atomic():
        flows.enqueue_refund(paid, Decimal("6.00"), actor=clerk)
        transaction.set_rollback(True)
    assert not Approval.objects.exists()
    assert not paid.queued_refunds.exists()


def test_an_approved_refund_of_the_queue_is_sent(
    paid: PaymentOrder, clerk: flows.Actor, chief: flows.Actor, gateway: Simulator
) -> None:
    queued = enqueue(paid, clerk)
    flows.approve(queued.approval, actor=chief)
    queued.refresh_from_db()
    assert (queued.state, queued.operation.outcome) == ("sent", "done")
    assert queued.operation.actor == clerk.user
    assert seen(queued.approval) == ("used", "", "bruno")
    assert gateway.count(REFUND) == 1
    flows.reconcile()
    assert gateway.count(REFUND) == 1
    assert history(paid) == [("approval_requested", "anna"), ("approved", "bruno")]


def test_it_is_sent_later_if_nexi_does_not_answer(
    paid: PaymentOrder, clerk: flows.Actor, chief: flows.Actor, gateway: Simulator
) -> None:
    queued = enqueue(paid, clerk)
    gateway.next_reply("/orders/", Reply(500))
    flows.approve(queued.approval, actor=chief)
    assert seen(queued.approval) == ("approved", "", "bruno")
    Approval.objects.update(expires_at=timezone.now())  # approved in time: it stays
    queued.refresh_from_db()
    assert (queued.state, gateway.count(REFUND)) == ("queued", 0)
    reconcile_after(DUE + 60)
    assert (seen(queued.approval)[0], gateway.count(REFUND)) == ("used", 1)


def test_rights_are_asked_for_again_when_the_queue_sends_it(
    paid: PaymentOrder,
    clerk: flows.Actor,
    chief: flows.Actor,
    gateway: Simulator,
    failures: list[str],
) -> None:
    queued = enqueue(paid, clerk)
    gateway.next_reply("/orders/", Reply(500))
    flows.approve(queued.approval, actor=chief)
    grant(chief.user, "view_paymentorder")
    paid.queued_refunds.update(next_attempt_at=timezone.now())
    flows.reconcile()
    queued.refresh_from_db()
    assert (queued.state, queued.failure) == ("given_up", "not_approved")
    assert seen(queued.approval) == ("outdated", "approver", "bruno")
    assert gateway.count(REFUND) == 0
    paid.refresh_from_db()
    assert paid.queued_amount == 0
    assert failures == ["K-1 not_approved"]


def test_a_refused_refund_of_the_queue_frees_its_amount(
    paid: PaymentOrder,
    clerk: flows.Actor,
    chief: flows.Actor,
    gateway: Simulator,
    failures: list[str],
) -> None:
    queued = enqueue(paid, clerk)
    flows.refuse_approval(queued.approval, reason="no", actor=chief)
    queued.refresh_from_db()
    assert (queued.state, queued.failure) == ("given_up", "not_approved")
    paid.refresh_from_db()
    assert (paid.queued_amount, paid.discrepancies.count()) == (0, 0)
    assert failures == ["K-1 not_approved"]
    assert gateway.count(REFUND) == 0


def test_an_expired_refund_of_the_queue_is_given_up(
    paid: PaymentOrder, clerk: flows.Actor, failures: list[str]
) -> None:
    queued = enqueue(paid, clerk)
    Approval.objects.update(expires_at=timezone.now())
    flows.reconcile()
    queued.refresh_from_db()
    assert (queued.state, failures) == ("given_up", ["K-1 not_approved"])


def test_a_withdrawn_refund_of_the_queue_ends_its_approval(
    paid: PaymentOrder, clerk: flows.Actor, chief: flows.Actor
) -> None:
    queued = enqueue(paid, clerk)
    flows.withdraw_refund(queued, reason="kept", actor=clerk)
    assert (queued.state, seen(queued.approval)[0]) == ("withdrawn", "withdrawn")
    with pytest.raises(ApprovalClosed):
        flows.approve(queued.approval, actor=chief)


def test_a_send_of_which_no_byte_left_keeps_its_approval(
    paid: PaymentOrder, clerk: flows.Actor, chief: flows.Actor, gateway: Simulator
) -> None:
    queued = enqueue(paid, clerk)
    gateway.next_reply("/refunds", Reply(0, fault="refused"))
    flows.approve(queued.approval, actor=chief)
    queued.refresh_from_db()
    assert (queued.state, queued.error) == ("queued", "NotSent")
    assert seen(queued.approval) == ("approved", "", "bruno")
    assert reconcile_after(DUE + 60).refunds_sent == 1
    assert seen(queued.approval)[0] == "used"
    operations = paid.operations.filter(kind="refund").order_by("pk")
    assert [one.outcome for one in operations] == ["not_sent", "done"]


def test_approvals_are_never_decided_inside_a_transaction(
    paid: PaymentOrder, clerk: flows.Actor, chief: flows.Actor
) -> None:
    approval = asked(flows.refund, paid, Decimal("6.00"), actor=clerk)
    with pytest.raises(RuntimeError), transaction.atomic():
        flows.approve(approval, actor=chief)
    assert seen(approval)[0] == "waiting"


def test_the_errors_name_their_request(paid: PaymentOrder, clerk: flows.Actor) -> None:
    with pytest.raises(ApprovalRequired) as caught:
        flows.refund(paid, Decimal("6.00"), actor=clerk)
    approval = caught.value.approval
    assert str(caught.value) == (
        f"approval {approval.pk} is waiting (order {paid.order_id})"
    )
    assert isinstance(caught.value, exceptions.OrderError)
