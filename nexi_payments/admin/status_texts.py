"""The money of a payment as it is, in one line, with the tone of its header."""

from __future__ import annotations

from typing import Any, Final

from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from nexi_payments import money
from nexi_payments.admin import attempts, reason_texts
from nexi_payments.enums import DisplayStatus, OrderState
from nexi_payments.models import PaymentOrder

_HEADLINES: Final[dict[str, Any]] = {
    DisplayStatus.PARTIALLY_CAPTURED: _("%(captured)s captured of %(amount)s"),
    DisplayStatus.CAPTURE_PENDING: _("%(capturing)s being captured of %(amount)s"),
    DisplayStatus.PARTIALLY_REFUNDED: _("%(kept)s kept of %(captured)s"),
    DisplayStatus.REFUND_PENDING: _("%(refunding)s being refunded of %(captured)s"),
}
#: Of the header. The others have the tone of ``staff_texts.advice``.
_TONES: Final[dict[str, str]] = {
    DisplayStatus.PARTIALLY_CAPTURED: "neutral",
    DisplayStatus.CAPTURE_PENDING: "wait",
    DisplayStatus.PARTIALLY_REFUNDED: "neutral",
    DisplayStatus.REFUND_PENDING: "wait",
}
#: These say themselves that an outcome is unknown.
_SAY_SO: Final = frozenset(
    {
        DisplayStatus.CAPTURE_PENDING,
        DisplayStatus.PAYING,
        DisplayStatus.REFUND_PENDING,
        DisplayStatus.REVIEW,
        DisplayStatus.WAITING_FOR_CONFIRMATION,
    }
)


def headline(order: PaymentOrder) -> str:
    """ "5.00 EUR captured of 12.50 EUR"; the amount alone where that says all."""
    text = _HEADLINES.get(order.display_status)
    if text is None:
        return money.display(order.amount, order.currency)
    minor = {
        "amount": order.amount,
        "captured": order.captured_amount,
        "capturing": order.capturing_amount,
        "kept": order.captured_amount - order.refunded_amount,
        "refunding": order.refunding_amount + order.queued_amount,
    }
    line: str = text % {
        name: money.display(value, order.currency) for name, value in minor.items()
    }
    return line


def tone(order: PaymentOrder, advised: str) -> str:
    """The tone of the header. ``advised``: that of ``staff_texts.advice``."""
    return _TONES.get(order.display_status, advised)


def badge_with_reason(order: PaymentOrder) -> str:
    """The status as HTML, grey if it says nothing about money, and why in words."""
    why = ""
    if order.state in (OrderState.FAILED, OrderState.REVIEW):
        why = reason_texts.of_order(order)
    quiet = " nexi-quiet" if attempts.is_grey(order) else ""
    return format_html(
        '<span class="nexi-state{}">{}{}</span>',
        quiet,
        badge(order),
        format_html("<small>{}</small>", why) if why else "",
    )


def badge(order: PaymentOrder) -> str:
    """The status as HTML. ⚠ marks an outcome that is unknown, where the status does not
    say so itself.
    """
    status = order.display_status
    doubt = ""
    if order.unsettled_since and status not in _SAY_SO:
        doubt = format_html(' <span title="{}">⚠</span>', _("outcome unknown"))
    return format_html(
        '<span class="nexi-badge nexi-is-{}">{}{}</span>',
        status.value,
        status.label,
        doubt,
    )
