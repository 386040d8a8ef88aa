"""An outcome is about one send: what a process that was suspended may still write."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from nexi_payments import conf, flows
from nexi_payments.enums import OperationOutcome
from nexi_payments.exceptions import NotSent, UnknownOutcome
from nexi_payments.flows.ledger import facts, operations, post_charge
from nexi_payments.flows.ledger.post_charge import Repetition
from nexi_payments.gateway.deadline import Deadline
from nexi_payments.models import Operation, PaymentOrder
from nexi_payments.simulator import Reply, Simulator
from tests.support.in_doubt import state_and_amounts
from tests.support.shopper import Shopper, new_order

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def refund(shopper: Shopper, gateway: Simulator) -> Operation:
    """A refund of which nothing arrived at Nexi."""
    paid = shopper.pay(new_order(), "frictionless")
    gateway.next_reply("/refunds", Reply(500))
    refund = flows.refund(paid)
    assert refund.outcome == OperationOutcome.IN_DOUBT
    return refund


@pytest.fixture
def sent_refunds(
    refund: Operation, gateway: Simulator, monkeypatch: pytest.MonkeyPatch
) -> list[tuple[str, bytes]]:
    """Key and body of each request for a refund that reaches Nexi from now on."""
    heard: list[tuple[str, bytes]] = []
    handle = gateway.handle

    def listening(method: str, url: str, headers: Any, body: bytes) -> Any:
        if url.endswith("/refunds"):
            heard.append((headers["Idempotency-Key"], body))
        return handle(method, url, headers, body)

    monkeypatch.setattr(gateway, "handle", listening)
    return heard


def request_of(operation: Operation) -> Repetition:
    order = PaymentOrder.objects.get(pk=operation.order_id)
    client = conf.client(conf.current().terminal(order.terminal))
    return Repetition(order, client, Deadline(5), operation)


def resent_by_another(operation: Operation) -> Operation:
    theirs = Operation.objects.get(pk=operation.pk)
    assert operations.claim_resend(theirs)
    return theirs


def test_not_sent_is_about_its_own_send(refund: Operation) -> None:
    theirs = resent_by_another(refund)
    late = post_charge.of_post_charge_error(NotSent("the deadline was over"))
    assert not operations.settle(request_of(refund), late)
    theirs.refresh_from_db()
    assert (theirs.outcome, theirs.send_count) == (OperationOutcome.IN_DOUBT, 2)
    assert theirs.send_ended_at is None  # the second send is still out
    assert state_and_amounts(refund.order) == ("paid", 1250, 0, 0, 1250)


def test_the_end_of_the_first_send_is_not_the_end_of_the_second(
    refund: Operation,
) -> None:
    theirs = resent_by_another(refund)
    late = post_charge.of_post_charge_error(UnknownOutcome("no answer"))
    assert not operations.settle(request_of(refund), late)
    theirs.refresh_from_db()
    assert theirs.send_ended_at is None


def test_what_nexi_accepted_counts_whichever_send_it_was(refund: Operation) -> None:
    theirs = resent_by_another(refund)
    assert operations.settle(request_of(refund), post_charge.of_acceptance("id-1"))
    theirs.refresh_from_db()
    assert theirs.outcome == OperationOutcome.ACCEPTED
    assert theirs.gateway_operation_id == theirs.ledger_id == "id-1"


def test_an_answer_that_comes_after_the_outcome_changes_nothing(
    refund: Operation,
) -> None:
    request = request_of(Operation.objects.get(pk=refund.pk))
    assert operations.settle(request_of(refund), post_charge.of_acceptance("id-1"))
    late = post_charge.of_post_charge_error(UnknownOutcome("no answer"))
    assert not operations.settle(request, late)
    refund.refresh_from_db()
    assert refund.outcome == OperationOutcome.ACCEPTED


def test_a_repetition_has_the_same_key_and_body(
    refund: Operation, gateway: Simulator, sent_refunds: list[tuple[str, bytes]]
) -> None:
    theirs = resent_by_another(refund)
    operations.send_and_settle(request_of(theirs))
    operations.send_and_settle(request_of(theirs))
    assert len(sent_refunds) == 2
    assert {key for key, _ in sent_refunds} == {refund.idempotency_key}
    assert len({body for _, body in sent_refunds}) == 1
    assert gateway.charge_of(refund.order.order_id).refunded == 1250  # type: ignore[union-attr]


def test_one_process_resends(refund: Operation) -> None:
    resent_by_another(refund)
    assert operations.claim_resend(refund) == ""
    refund.refresh_from_db()
    assert refund.send_count == 2


def test_a_resend_makes_earlier_readings_stale(refund: Operation) -> None:
    before = PaymentOrder.objects.get(pk=refund.order_id).version
    resent_by_another(refund)
    assert PaymentOrder.objects.get(pk=refund.order_id).version == before + 1


@pytest.mark.parametrize(("seconds", "is_over"), [(0, False), (49, False), (51, True)])
def test_a_send_without_an_end_is_out_until_its_process_must_have_died(
    refund: Operation, seconds: float, is_over: bool
) -> None:
    """Twice ``TOTAL_TIMEOUT``, which is 25 seconds."""
    theirs = resent_by_another(refund)
    assert theirs.sent_at is not None
    read = facts.of_operation(theirs, theirs.sent_at + timedelta(seconds=seconds))
    end = theirs.sent_at + timedelta(seconds=50) if is_over else None
    assert read.send_ended_at == end
    assert read.in_flight


def test_a_send_that_ended_says_when(refund: Operation) -> None:
    read = facts.of_operation(refund, timezone.now())
    assert read.send_ended_at == refund.send_ended_at is not None
