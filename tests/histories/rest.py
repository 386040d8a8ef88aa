"""All has been played: until nothing is due and nothing is open."""

from __future__ import annotations

import time

from django.db.models import Q
from django.utils import timezone

from nexi_payments import flows, states
from nexi_payments.flows import attempts
from nexi_payments.models import Contract, Event, PaymentOrder
from tests.histories import stage


def come_to_rest() -> None:
    """Beside the running reconciler; at most twice the watch. Cards on file whose
    period was begun have their run, and Nexi is told of every end."""
    end = time.monotonic() + 2 * stage.WATCH + stage.LATEST
    while time.monotonic() < end:
        flows.reconcile()
        soon = timezone.now() + timezone.timedelta(hours=1)
        reviewed = Q(state=states.REVIEW, looks__gte=3)  # a person's turn
        busy = PaymentOrder.objects.filter(
            Q(due_at__lte=soon) | ~Q(state__in=states.FINAL)
        ).exclude(reviewed)
        waiting = Event.objects.filter(deliver_at__isnull=False)
        if not busy.exists() and not waiting and not _have_their_run():
            return
        time.sleep(1)


def _have_their_run() -> bool:
    """As later runs would, at once: whether something changed by that."""
    begun = [
        one.pk
        for one in Contract.objects.filter(state=states.ACTIVE, due_at__isnull=False)
        if _is_begun(one)
    ]
    ending = Contract.objects.filter(state=states.ENDING)
    begun += ending.values_list("pk", flat=True)
    Contract.objects.filter(pk__in=begun).update(due_at=timezone.now())
    done = flows.charge_due()
    return bool(done.charged or done.in_doubt or done.on_hold or done.ended)


def _is_begun(contract: Contract) -> bool:
    """There is an attempt at its period, or the period's day has come."""
    planned = contract.planned(contract.period)
    come = planned is not None and planned <= timezone.now()
    return come or attempts.newest(contract) is not None
