"""What somebody should look at: payments in doubt, and those to be reviewed, oldest
first. A mixin of the order's ``ModelAdmin``."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.timesince import timesince
from django.utils.translation import gettext_lazy as _

from nexi_payments import conf, mails, outbox, staff_wording, states
from nexi_payments.admin import access
from nexi_payments.models import (
    Break,
    Event,
    Operation,
    PaymentOrder,
    TerminalAlarm,
    database,
)
from nexi_payments.signals import BY_KIND

#: More than this on one page is not a list but an outage.
_MOST: Final = 200


class ToCheck:
    if TYPE_CHECKING:
        admin_site: Any
        opts: Any

        def address(self, name: str, *args: Any) -> str: ...
        def log_change(self, *args: Any) -> Any: ...

    def to_check_view(self, request: HttpRequest) -> HttpResponse:
        access.require(request, *access.READERS)
        rows = [_line(order, waiting) for order, waiting in _waiting()]
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": _("Payments to check"),
            "rows": rows[:_MOST],
            "more": len(rows) > _MOST,
            "alarms": TerminalAlarm.objects.all(),
            "breaks": Break.objects.filter(resolved_at=None).select_related("order")[
                :_MOST
            ],
            "events": _undelivered(),
            "may_resolve": access.may(request, access.RESOLVE),
            "may_ask": access.may(request, access.ASK),
            "list_url": self.address("changelist"),
        }
        return TemplateResponse(request, "nexi_payments/staff/to_check.html", context)

    @database.non_atomic_requests
    def resend_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """The receivers of one event once more."""
        access.require(request, access.ASK)
        event = Event.objects.filter(pk=pk, kind__in=BY_KIND).first()
        if event is None:
            raise Http404
        if request.method == "POST":
            if outbox.send_again(event):
                messages.success(request, _("Sent again, and every receiver took it."))
            else:
                messages.error(
                    request, _("A receiver raised an error: see the log of the shop.")
                )
            self.log_change(request, event.order, f"{_('Signal sent again')}: {event}")
        return HttpResponseRedirect(self._back_to(request, event.order_id))

    @database.non_atomic_requests
    def seen_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """A disagreement that somebody has dealt with."""
        access.require(request, access.RESOLVE)
        record = Break.objects.filter(pk=pk).first()
        if record is None:
            raise Http404
        if request.method == "POST":
            open_one = Break.objects.filter(pk=pk, resolved_at=None)
            open_one.update(resolved_at=timezone.now(), resolved_by=request.user)
            if record.order is not None:
                note = f"{_('Disagreement dealt with')}: {record.kind}"
                self.log_change(request, record.order, note)
        return HttpResponseRedirect(self._back_to(request, record.order_id))

    def _back_to(self, request: HttpRequest, order_pk: int | None) -> str:
        if order_pk is None or request.POST.get("back") == "tocheck":
            return self.address("tocheck")
        return self.address("change", order_pk)


def _undelivered() -> list[tuple[Event, str]]:
    """What a receiver of the shop has not taken, and its words: oldest first."""
    rows = Event.objects.filter(deliver_at__isnull=False, attempts__gt=0)
    labels = dict(PaymentOrder._meta.get_field("state").choices or [])
    return [
        (one, f"{labels[one.from_state]} → {labels[one.to_state]}")
        for one in rows.select_related("order").order_by("pk")[:_MOST]
    ]


def _waiting() -> list[tuple[PaymentOrder, list[Operation]]]:
    """Reviews at once; what is in doubt when no request can be working on it still."""
    patience = timedelta(seconds=conf.current().claim_deadline)
    doubtful = PaymentOrder.objects.filter(unsettled_since__isnull=False)
    orders = list(doubtful.order_by("unsettled_since")[: _MOST + 1])
    orders = [
        order
        for order in orders
        if order.state == states.REVIEW
        or (order.unsettled_since or timezone.now()) <= timezone.now() - patience
    ]
    operations: dict[int, list[Operation]] = {}
    rows = Operation.objects.filter(order__in=orders, outcome__in=states.RESERVING)
    for row in rows:
        operations.setdefault(row.order_id, []).append(row)
    return [(order, operations.get(order.pk, [])) for order in orders]


def _line(order: PaymentOrder, waiting: list[Operation]) -> dict[str, Any]:
    what = [
        f"{row.get_kind_display()} {mails.amount_in_words(order, row.amount)}: "
        f"{row.get_outcome_display()}"
        for row in waiting
        if row.amount is not None
    ]
    return {
        "order": order,
        "amount": mails.amount_in_words(order),
        "age": timesince(order.unsettled_since or timezone.now()),
        "what": what,
        "advice": staff_wording.advice(order),
    }
