"""Celery tasks, for shops that have Celery (the extra ``celery``).

    CELERY_BEAT_SCHEDULE = {**nexi_payments.tasks.BEAT_SCHEDULE, …}

The same functions as ``manage.py nexi_reconcile`` and ``nexi_charge_due``; use one of
them, or both. So with ``nexi_card_notices``, once a day.
"""

from __future__ import annotations

from typing import Any, Final

from celery import shared_task

from nexi_payments import flows, notices


@shared_task(  # type: ignore[untyped-decorator]  # Celery ships no types
    name="nexi_payments.reconcile", ignore_result=True
)
def reconcile() -> str:
    """One pass. Any number of workers may run it at the same moment."""
    return str(flows.reconcile())


@shared_task(  # type: ignore[untyped-decorator]
    name="nexi_payments.charge_due", ignore_result=True
)
def charge_due() -> str:
    """Charges the cards on file whose time has come, each period once."""
    return str(flows.charge_due())


@shared_task(  # type: ignore[untyped-decorator]
    name="nexi_payments.card_notices", ignore_result=True
)
def card_notices() -> str:
    """Mails owners of cards on file that expire soon, if ``MAILS`` says so."""
    return f"mailed={notices.warn_of_expiry()}"


#: Every ten seconds; a pass that waited longer than that in the queue is dropped.
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
    "nexi_payments.card_notices": {
        "task": "nexi_payments.card_notices",
        "schedule": 86_400.0,
        "options": {"expires": 86_400.0},
    },
}
