"""One line for each purchase in the list: its failed attempts are folded.

Hidden by default are failed attempts that another one replaced, that nobody started, or
that a newer attempt of the same reference follows. What holds, takes or returned money,
and what is in doubt, is never hidden. One query a page reads the attempts of its
references.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from nexi_payments import terminal_rights
from nexi_payments.enums import OrderState, Reason
from nexi_payments.models import PaymentOrder
from nexi_payments.models.order import WITHOUT_STORY

#: Attempts that one page of the list reads; the newest.
MAX_ATTEMPTS: Final = 500
#: Of them, those that one line lists.
_MAX_LISTED: Final = 20


class AttemptsFilter(admin.SimpleListFilter):
    """One line for each purchase, or every attempt."""

    title = _("attempts")
    parameter_name = "attempts"
    ALL: Final = "all"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [(self.ALL, _("Every attempt"))]

    def choices(self, changelist: Any) -> Any:
        found = list(super().choices(changelist))
        found[0]["display"] = _("One line for each purchase")
        return found

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[PaymentOrder]
    ) -> QuerySet[PaymentOrder]:
        if shows_every_attempt(request.GET):
            return queryset
        return folded(queryset, request.user)


def shows_every_attempt(params: Mapping[str, Any]) -> bool:
    """Who searches, or asks for failed payments, wants every one."""
    return bool(
        params.get(AttemptsFilter.parameter_name) == AttemptsFilter.ALL
        or params.get("q")
        or params.get("state__exact") == OrderState.FAILED
    )


def folded(queryset: QuerySet[PaymentOrder], user: Any) -> QuerySet[PaymentOrder]:
    """``queryset`` without the attempts that are hidden by default. An attempt on a
    terminal that ``user`` may not see hides none.

    An index leaves out what tells nothing; for each failed row that is left there is
    one look into the index of ``reference``.
    """
    newer = PaymentOrder.objects.filter(
        reference=OuterRef("reference"), pk__gt=OuterRef("pk")
    )
    newer = terminal_rights.limit(newer, user)
    replaced = Q(Exists(newer), state=OrderState.FAILED, unsettled_since=None)
    # the first condition to the letter of the index, so that it is used
    return queryset.filter(~WITHOUT_STORY).filter(~replaced)


def is_grey(order: PaymentOrder) -> bool:
    """Whether an attempt was replaced or never started: it says nothing about money."""
    if order.state == OrderState.INIT:
        return True
    if order.state != OrderState.FAILED:
        return False
    never_started = order.reason == Reason.EXPIRED and not order.gateway_operation_id
    return never_started or order.reason == Reason.SUPERSEDED


class Attempts:
    """The other attempts of one line, newest first; ``number`` includes the line's."""

    def __init__(self, others: list[PaymentOrder], *, is_capped: bool) -> None:
        self.listed = others[:_MAX_LISTED]
        self.number = len(others) + 1
        self.more = is_capped or len(others) > _MAX_LISTED

    def __bool__(self) -> bool:
        return bool(self.listed)


class PaymentList(ChangeList):
    """The list of payments; ``attempts_of`` knows what is folded under its rows."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self._by_reference: dict[str, list[PaymentOrder]] = {}
        self._is_capped = False
        if not shows_every_attempt(request.GET):
            references = [row.reference for row in self.result_list]
            self._read_attempts(references, request.user)

    def _read_attempts(self, references: list[str | None], user: Any) -> None:
        wanted = {one for one in references if one}
        if not wanted:
            return
        rows = PaymentOrder.objects.filter(reference__in=sorted(wanted))
        rows = terminal_rights.limit(rows, user)
        found = list(rows.order_by("-pk")[: MAX_ATTEMPTS + 1])
        self._is_capped = len(found) > MAX_ATTEMPTS
        for one in found[:MAX_ATTEMPTS]:
            self._by_reference.setdefault(one.reference or "", []).append(one)

    def attempts_of(self, order: PaymentOrder) -> Attempts:
        """The attempts under ``order``, if it is the newest of its reference."""
        found = self._by_reference.get(order.reference or "", [])
        if not found or found[0].pk != order.pk:
            return Attempts([], is_capped=False)
        return Attempts(found[1:], is_capped=self._is_capped)
