"""Time controls of the simulator panel: advance the clock, then do what is due.

What is due is what cron does in production: reconcile, and charge recurring payments.
"""

from __future__ import annotations

import threading
from dataclasses import fields
from datetime import datetime, timedelta
from typing import Final

from django.http import Http404, HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST

from demo_shop import payment_trace
from demo_shop.simulator_panel import demo_only, redirect_back, simulator
from nexi_payments import flows
from nexi_payments.models import PaymentOrder, db_transactions
from nexi_payments.testing import demo_clock

#: How far each button moves the clock. The steps of ``_MOMENTS`` depend on the visitor.
_STEPS: Final = {
    "reconcile": timedelta(),
    "minute": timedelta(minutes=1),
    "day": timedelta(days=1),
}
#: Used without an open payment: the time to pay, and a margin.
_EXPIRY_PERIOD: Final = timedelta(minutes=31)
_MARGIN: Final = timedelta(seconds=1)
#: One pass at a time: or the five-second one would take what a button was to report.
_PASS: Final = threading.Lock()

#: What each count of a pass is called on the panel.
COUNT_TEXTS: Final = {
    "inquired": gettext_lazy("payments checked"),
    "paid": gettext_lazy("paid"),
    "authorized": gettext_lazy("authorized"),
    "failed": gettext_lazy("failed or expired"),
    "review": gettext_lazy("sent to manual review"),
    "unanswered": gettext_lazy("without a result yet"),
    "audited": gettext_lazy("entries of the audit trail"),
    "delivered": gettext_lazy("notices delivered to the shop"),
    "purged": gettext_lazy("personal data erased"),
    "terminals_recovered": gettext_lazy("terminals that work again"),
    "orphans": gettext_lazy("payments that only Nexi knew"),
    "refunds_sent": gettext_lazy("refunds sent"),
    "refunds_given_up": gettext_lazy("refunds given up"),
    "methods": gettext_lazy("payment methods read"),
    "links_closed": gettext_lazy("payment links closed"),
    "charged": gettext_lazy("recurring payments charged"),
    "in_doubt": gettext_lazy("recurring payments with an unknown outcome"),
    "retry": gettext_lazy("recurring payments to be tried again"),
    "suspended": gettext_lazy("saved cards suspended"),
    "ended": gettext_lazy("saved cards ended"),
    "skipped": gettext_lazy("saved cards skipped"),
}


@db_transactions.non_atomic_requests
@demo_only
@require_POST
def advance_time(request: HttpRequest) -> HttpResponse:
    """Advance the clock, reconcile, and charge what is due.

    ``step``: one of ``_STEPS``, or "expire" (until the payment expires), "limit" (until
    the velocity limit ends) or "charge" (until the next recurring payment).
    """
    step = request.POST.get("step", "")
    by = _STEPS[step] if step in _STEPS else _until(step, request)
    with _PASS:
        if by:
            demo_clock.advance(by)
        if gateway := simulator():
            gateway.hosted.deliver_due()
        message = _counts_text(*_run_due(payment_trace.latest_payment(request)))
    payment = payment_trace.latest_payment(request)
    if payment is not None and payment.state == "paying":
        # reconciling again would not change this
        still = _(
            "Nexi has no answer yet, and until then the payment stays in doubt: let"
            " time pass."
        )
        message = f"{message}. {still}"
    return redirect_back(request, message)


def run_due() -> None:
    """What cron does in production. Must run outside a transaction."""
    with _PASS:
        _run_due(None)


def _run_due(
    payment: PaymentOrder | None,
) -> tuple[flows.Counts | flows.RecurringCounts, ...]:
    """Process all that is due, and ``payment``, even if it is not due."""
    done: list[flows.Counts | flows.RecurringCounts] = [flows.reconcile()]
    if payment is not None:
        payment.refresh_from_db()
        if payment.next_poll_at is not None and payment.state != "init":
            done.append(flows.reconcile(payment))
    return (*done, flows.charge_due())


def _until(step: str, request: HttpRequest) -> timedelta:
    """Time until the moment that ``step`` names; zero if it is past."""
    payment = payment_trace.latest_payment(request)
    contract = payment_trace.latest_contract(request)
    moment: datetime | None
    if step == "expire":
        if payment is None or payment.is_final:
            return _EXPIRY_PERIOD
        moment = payment.expires_at
    elif step == "limit":
        moment = payment_trace.limited_until(payment) if payment else None
    elif step == "charge":
        moment = contract.next_charge_at if contract else None
    else:
        raise Http404
    if moment is None:
        return timedelta()
    return max(moment - timezone.now() + _MARGIN, timedelta())


def _counts_text(*counts: flows.Counts | flows.RecurringCounts) -> str:
    sums: dict[str, int] = {}
    for one in counts:
        for field in fields(one):
            sums[field.name] = sums.get(field.name, 0) + getattr(one, field.name)
    done = [f"{COUNT_TEXTS[name]}: {number}" for name, number in sums.items() if number]
    if not done:
        return _("Done: nothing was due")
    return _("Done: %(what)s") % {"what": ", ".join(done)}
