"""Celery tasks, for shops that have Celery (the extra ``celery``).

    CELERY_BEAT_SCHEDULE = {**nexi_payments.tasks.BEAT_SCHEDULE, …}

The same function as ``manage.py nexi_reconcile``; use one of them, or both.
"""

from __future__ import annotations

from typing import Any, Final

from celery import shared_task

from nexi_payments import flows


@shared_task(  # type: ignore[untyped-decorator]  # Celery ships no types
    name="nexi_payments.reconcile", ignore_result=True
)
def reconcile() -> str:
    """One pass. Any number of workers may run it at the same moment."""
    return str(flows.reconcile())


#: Every ten seconds; a pass that waited longer than that in the queue is dropped.
BEAT_SCHEDULE: Final[dict[str, dict[str, Any]]] = {
    "nexi_payments.reconcile": {
        "task": "nexi_payments.reconcile",
        "schedule": 10.0,
        "options": {"expires": 10.0},
    }
}
