"""After the scenarios: reconciles until nothing is due or unsettled."""

from __future__ import annotations

from django.db.models import Q
from django.utils import timezone

from nexi_payments import enums, flows
from nexi_payments.enums import ContractState, OrderState, QueuedRefundState
from nexi_payments.flows import retry_policy
from nexi_payments.models import Contract, Event, PaymentOrder, QueuedRefund
from tests.histories import hosted_plays, processes
from tests.support.waiting import wait_until


def wait_until_settled() -> None:
    """Beside the running reconciler, for at most twice ``WATCH_FOR``. Contracts with a
    begun period get their run, and every end is sent to Nexi.
    """
    wait_until(_settled, 2 * processes.WATCH + processes.LATEST, every=1)


def _settled() -> bool:
    """Reconciles once, and runs due charges. Returns whether nothing is left to do."""
    hosted_plays.look_at_failed_pages()
    flows.reconcile()
    soon = timezone.now() + timezone.timedelta(hours=1)
    reviewed = Q(state=OrderState.REVIEW, poll_count__gte=3)  # a person decides
    busy = PaymentOrder.objects.filter(
        Q(next_poll_at__lte=soon) | ~Q(state__in=enums.FINAL)
    ).exclude(reviewed)
    # pages are watched for a month, and were looked at just now
    busy = busy.exclude(Q(state=OrderState.FAILED) & ~Q(method=""))
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
