"""After the scenarios: reconciles until nothing is due or unsettled."""

from __future__ import annotations

import time

from django.db.models import Q
from django.utils import timezone

from nexi_payments import enums, flows
from nexi_payments.enums import ContractState, OrderState, QueuedRefundState
from nexi_payments.flows import retry_policy
from nexi_payments.models import Contract, Event, PaymentOrder, QueuedRefund
from tests.histories import hosted_plays, post_charge_rest, processes
from tests.support.waiting import wait_until

#: With nothing on its way, only a second payment on the page is looked for.
_PAID = (OrderState.PAID, OrderState.VOIDED, OrderState.REFUNDED)


def wait_until_settled() -> None:
    """Beside the running reconciler, for at most four times ``WATCH_FOR``. Contracts
    with a begun period get their run, and every end is sent to Nexi.
    """
    wait_until(_settled, 4 * processes.WATCH, every=1)


def compare_with_nexi(gateway: str) -> None:
    """After the world of ``gateway`` came to rest: inquires each charged payment.
    Nothing tells us what others made at Nexi.
    """
    sites = {"": gateway}
    wait_until(
        lambda: post_charge_rest.is_nexi_at_rest(sites), 2 * processes.WATCH, every=1
    )
    charged = PaymentOrder.objects.filter(charging_since__isnull=False)
    for _ in range(3):
        for order in charged:
            flows.reconcile(order)
        time.sleep(2 * processes.SETTLE / 15)  # a lag: the next list counts
    wait_until_settled()


def _settled() -> bool:
    """Reconciles once, and runs due charges. Returns whether nothing is left to do."""
    hosted_plays.look_at_failed_pages()
    flows.reconcile()
    soon = timezone.now() + timezone.timedelta(hours=1)
    reviewed = Q(state=OrderState.REVIEW, poll_count__gte=3)  # staff decide
    busy = PaymentOrder.objects.filter(
        Q(next_poll_at__lte=soon) | ~Q(state__in=enums.FINAL)
    ).exclude(reviewed)
    # pages are watched for a month, and were looked at just now
    ended = Q(state=OrderState.FAILED) | Q(state__in=_PAID, unsettled_since=None)
    busy = busy.exclude(ended & ~Q(method=""))
    queued = QueuedRefund.objects.filter(state=QueuedRefundState.QUEUED)
    waiting = Event.objects.filter(deliver_at__isnull=False)
    if busy.exists() or waiting.exists() or queued.exists():
        return False
    return not _run_due_charges()


def _run_due_charges() -> bool:
    """Does at once what later runs would do. Returns whether something changed."""
    begun = [
        one.pk
        for one in Contract.objects.filter(
            state=ContractState.ACTIVE, next_charge_at__isnull=False
        )
        if _period_started(one)
    ]
    ending = Contract.objects.filter(state=ContractState.ENDING)
    begun += ending.values_list("pk", flat=True)
    Contract.objects.filter(pk__in=begun).update(next_charge_at=timezone.now())
    done = flows.charge_due()
    return bool(done.charged or done.in_doubt or done.suspended or done.ended)


def _period_started(contract: Contract) -> bool:
    """Whether its period has an attempt or is due."""
    planned = contract.scheduled_at(contract.period)
    come = planned is not None and planned <= timezone.now()
    return come or retry_policy.current_attempt(contract) is not None
