"""Content of a receipt: amounts charged, authorized and refunded, with times."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils.translation import gettext_lazy as _

from nexi_payments import conf, money, payment_methods
from nexi_payments.emails import sending
from nexi_payments.enums import OperationKind, OperationOutcome, OrderState
from nexi_payments.models import Operation, PaymentOrder


@dataclass(frozen=True)
class ReceiptLine:
    """One line: label, formatted amount, and time."""

    label: Any
    amount: str
    at: datetime | None


class Receipt:
    """A receipt for templates.

    Texts are built on access, because an email activates its language later.
    """

    def __init__(self, order: PaymentOrder) -> None:
        self.order = order

    @property
    def status(self) -> Any:
        if self.order.state == OrderState.PAID and self.order.refunded_amount:
            return _("Partly refunded")
        return self.order.get_state_display()

    @property
    def method(self) -> str:
        """The label of a payment method that is not a card; "" for a card."""
        order = self.order
        if order.method in ("", payment_methods.CARDS):
            return ""
        known = payment_methods.find(order.method, conf.current().method_overrides)
        return str(known.label) if known else order.method

    @property
    def lines(self) -> list[ReceiptLine]:
        """Charges, then refunds, each oldest first."""
        return [*self._charge_lines(), *self._refund_lines()]

    @property
    def net_total(self) -> str:
        """Charged minus refunded amount, formatted; "" if nothing was refunded."""
        order = self.order
        if not order.refunded_amount:
            return ""
        minor = order.captured_amount - order.refunded_amount
        return money.display_with_symbol(minor, order.currency)

    def _charge_lines(self) -> list[ReceiptLine]:
        order = self.order
        at = order.charging_since or order.claimed_at or order.created_at
        if not order.captured_amount:
            return [self._line(_("Authorized"), order.authorized_amount, at)]
        cancelled = self._done_operations(OperationKind.CANCEL)
        cancelled_ids = {row.capture_id for row in cancelled}
        made = [
            row
            for row in self._done_operations(OperationKind.CAPTURE)
            if row.pk not in cancelled_ids
        ]
        if sum(row.amount or 0 for row in made) != order.captured_amount:
            # captured with the charge, without an operation of its own
            return [self._line(_("Paid"), order.captured_amount, at)]
        return self._operation_lines(_("Paid"), made)

    def _refund_lines(self) -> list[ReceiptLine]:
        order = self.order
        made = self._done_operations(OperationKind.REFUND)
        if sum(row.amount or 0 for row in made) == order.refunded_amount:
            return self._operation_lines(_("Refunded"), made)
        return [self._line(_("Refunded"), order.refunded_amount, order.refunded_at)]

    def _done_operations(self, kind: str) -> list[Operation]:
        rows = self.order.operations.filter(kind=kind, outcome=OperationOutcome.DONE)
        return list(rows.order_by("pk"))

    def _operation_lines(self, label: Any, rows: list[Operation]) -> list[ReceiptLine]:
        return [
            self._line(label, row.amount or 0, row.settled_at or row.created_at)
            for row in rows
        ]

    def _line(self, label: Any, minor: int, at: datetime | None) -> ReceiptLine:
        amount = money.display_with_symbol(minor, self.order.currency)
        return ReceiptLine(label, amount, at)


def send(order: PaymentOrder, recipient: str, language: str) -> bool:
    """Email the receipt. False if the mail server did not accept it."""
    return sending.send(order, "receipt", recipient, language, receipt=Receipt(order))
