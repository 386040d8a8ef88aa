"""What the desk knows of a card before it is charged, by its last four digits.

The script of the card page asks before it posts: a page that comes back with an error
has lost the card, and the caller has to read it out again. ``flows.pay_moto`` decides.
"""

from __future__ import annotations

import re
from typing import Any, Final

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import URLPattern
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST

from nexi_payments import date_texts, money, permissions, terminal_rights
from nexi_payments.admin.base import StaffPages, get_phone_order
from nexi_payments.admin.phone_order_steps import awaits_card
from nexi_payments.flows import moto
from nexi_payments.flows.orders import velocity
from nexi_payments.models import PaymentOrder

#: Duplicates that a page lists.
_MOST: Final = 5
DUPLICATE: Final = _("This card was charged the same just now.")
REFUSED: Final = _(
    "This card may not be tried again for this order. Nothing was charged: ask for"
    " another card."
)


class PhoneOrderCards(StaffPages):
    @property
    def urls(self) -> list[URLPattern]:
        path = self.admin.admin_path
        return [path("moto/<str:order_id>/ask/", require_POST(self.ask), "moto_ask")]

    def ask(self, request: HttpRequest, order_id: str) -> HttpResponse:
        """JSON about the card that ends in the posted ``last4``. Writes nothing.

        ``duplicate``: it was charged the same amount just now. ``refused``: it may not
        be tried again for this purchase. ``lines``: the charges of this amount.
        ``message``: for the clerk. ``next``: where to go, if no card is wanted now.
        """
        permissions.require_any(request, permissions.TAKE_MOTO)
        order = get_phone_order(request, order_id)
        last4 = request.POST.get("last4", "")
        if not re.fullmatch(r"[0-9]{4}", last4):
            return _json({"message": "last4"}, status=400)
        if not awaits_card(request, order):
            url = self.admin.admin_url("moto_result", order.order_id)
            return _json({"next": url})
        duplicate = moto.possible_duplicates(order, last4).exists()
        refused = velocity.is_refused_at_desk(order, last4)
        message = REFUSED if refused else DUPLICATE if duplicate else ""
        return _json(
            {
                "duplicate": duplicate,
                "refused": refused,
                "message": str(message),
                "lines": duplicate_lines(order, request.user) if duplicate else [],
            }
        )


def duplicate_lines(order: PaymentOrder, user: Any) -> list[str]:
    """The newest charges of this amount in the last ten minutes that ``user`` may
    see."""
    rows = terminal_rights.limit(moto.possible_duplicates(order), user)
    return [
        " · ".join(
            (
                money.display(row.amount, row.currency),
                row.reference or row.order_id,
                f"••••\u00a0{row.card_last4}",
                date_texts.clock(row.claimed_at or row.created_at),
                str(row.display_status.label),
            )
        )
        for row in rows[:_MOST]
    ]


def _json(body: dict[str, Any], *, status: int = 200) -> JsonResponse:
    headers = {"Cache-Control": "private, no-store"}
    return JsonResponse(body, status=status, headers=headers)
