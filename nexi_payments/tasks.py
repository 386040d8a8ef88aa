"""Celery tasks, for shops that have Celery (the extra ``celery``).

    CELERY_BEAT_SCHEDULE = {**nexi_payments.tasks.BEAT_SCHEDULE, …}

They call the same functions as ``manage.py nexi_reconcile``, ``nexi_charge_due`` and
``nexi_card_expiry_notices``. Use tasks, commands, or both.
"""

from __future__ import annotations

from typing import Any, Final

from celery import shared_task

from nexi_payments import delivery_workers, flows
from nexi_payments.emails import automatic


@shared_task(  # type: ignore[untyped-decorator]  # Celery ships no types
    name="nexi_payments.reconcile", ignore_result=True
)
def reconcile() -> str:
    """Runs one reconciler pass. Any number of workers may run it concurrently."""
    counts, delivered = delivery_workers.run_pass(flows.reconcile)
    counts.delivered = delivered
    return str(counts)


@shared_task(  # type: ignore[untyped-decorator]
    name="nexi_payments.charge_due", ignore_result=True
)
def charge_due() -> str:
    """Charges contracts that are due, each period once."""
    counts, _ = delivery_workers.run_pass(flows.charge_due)
    return str(counts)


@shared_task(  # type: ignore[untyped-decorator]
    name="nexi_payments.card_expiry_notices", ignore_result=True
)
def card_expiry_notices() -> str:
    """E-mails owners of cards on file that expire soon, if ``MAILS`` says so."""
    return f"emailed={automatic.send_expiry_notices()}"


#: A task that waited in the queue longer than its interval is dropped.
BEAT_SCHEDULE: Final[dict[str, dict[str, Any]]] = {
    "nexi_payments.reconcile": {
        "task": "nexi_payments.reconcile",
        "schedule": 10.0,
        "options": {"expires": 10.0},
    },
    "nexi_payments.charge_due": {
        "task": "nexi_payments.charge_due",
        "schedule": 300.0,
        "options": {"expires": 300.0},
    },
    "nexi_payments.card_expiry_notices": {
        "task": "nexi_payments.card_expiry_notices",
        "schedule": 86_400.0,
        "options": {"expires": 86_400.0},
    },
}
