"""Staff texts about discrepancies: what happened, what each side has, what to do."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from nexi_payments import money
from nexi_payments.enums import (
    DiscrepancyKind,
    OperationKind,
    OperationOutcome,
    OrderState,
    RefundFailure,
)
from nexi_payments.flows import operation_review
from nexi_payments.gateway import result_codes
from nexi_payments.models import Discrepancy

_LOOK: Final = _("Look at this payment in Nexi's back office.")

#: Kind → what happened, what to do.
_TEXTS: Final[dict[str, tuple[str | Promise, str | Promise]]] = {
    DiscrepancyKind.UNEXPECTED_CHARGE: (
        _("Nexi shows a charge, and we have sent none."),
        _("Refund it, or resolve the payment as paid if the customer wants the order."),
    ),
    DiscrepancyKind.CHARGED_AFTER_DECLINE: (
        _("Nexi declined the card first, and charged it later."),
        _("Refund it, or resolve the payment as paid if the customer wants the order."),
    ),
    DiscrepancyKind.REFERENCE_TAKEN: (
        _("Charged late, beside another payment of the same purchase."),
        _("The customer may have paid twice. Compare both payments, and refund one."),
    ),
    DiscrepancyKind.CHARGED_AFTER_CANCEL: (
        _("Charged late, although the shop had cancelled this payment."),
        _("Refund it, or resolve the payment as paid if the customer wants the order."),
    ),
    DiscrepancyKind.TWO_AUTHORIZATIONS: (
        _("Nexi shows two charges for this payment."),
        _("The customer was charged twice. Refund what is too much."),
    ),
    DiscrepancyKind.MISMATCH: (
        _("Nexi shows another amount, currency or order than ours."),
        _(
            "It is not counted here. If it belongs to this customer, correct it in"
            " Nexi's back office."
        ),
    ),
    DiscrepancyKind.SAME_ID: (
        _("Nexi uses one id for two operations."),
        _("Compare both in Nexi's back office, and ask Nexi which one is right."),
    ),
    DiscrepancyKind.NO_DETAILS: (
        _("Nexi shows that money moved, and not how much."),
        _("Find the amounts in Nexi's back office. Then resolve the payment."),
    ),
    DiscrepancyKind.STILL_PENDING: (
        _("Nexi has not said for days how it ended."),
        _(
            "Find out in Nexi's back office, or ask Nexi. Then decide it on the page of"
            " the payment."
        ),
    ),
    DiscrepancyKind.UNKNOWN_RESULT: (
        _("Nexi uses a word that we do not know."),
        _(
            "Nothing was counted because of it. Look at this payment in Nexi's back"
            " office, and tell the administrator of the shop."
        ),
    ),
    DiscrepancyKind.CAPTURED_UNASKED: (
        _("Nexi captured the amount, although it was to be reserved only."),
        _(
            "The customer is charged already. Refund it if nothing is delivered. The"
            " administrator checks the terminal at Nexi."
        ),
    ),
    DiscrepancyKind.UNSAFE_THREE_DS_URL: (
        _("Nexi named a page of the bank that the shop's settings do not allow."),
        _("Nothing was charged. The administrator checks THREE_DS_HOSTS."),
    ),
    DiscrepancyKind.UNSAFE_HOSTED_PAGE_URL: (
        _("Nexi named a payment page that the shop's settings do not allow."),
        _("Nothing was charged. The administrator checks HOSTED_PAGE_HOSTS."),
    ),
    DiscrepancyKind.MADE_AT_NEXI: (
        _("Somebody changed this payment at Nexi, and it does not fit its amounts."),
        _(
            "Find out in Nexi's back office who made it, and whether it is right. The"
            " customer may have been given too much or too little."
        ),
    ),
    DiscrepancyKind.UNKNOWN_CHARGE: (
        _("Nexi shows a charge of this shop that is not in our list."),
        _(
            "If it is a payment under review here, compare it with the orders of the"
            " shop, then resolve or refund it. Otherwise refund it in Nexi's back"
            " office."
        ),
    ),
    DiscrepancyKind.LATE_EXECUTION: (
        _("Nexi executed late what we had taken for not executed."),
        _(
            "The amounts include it now. If it was entered again meanwhile, money has"
            " moved twice: correct the difference."
        ),
    ),
    DiscrepancyKind.EXECUTED_TWICE: (
        _("Nexi executed one request twice."),
        _(
            "Money has moved twice. The amounts include both. Correct the difference,"
            " and tell Nexi."
        ),
    ),
    DiscrepancyKind.CONTRADICTION: (
        _("Nexi says the contrary of what it had said before."),
        _("Ask Nexi what is right before anything is delivered or refunded."),
    ),
    DiscrepancyKind.TOTALS: (
        _("Nexi's total of what is captured differs from the known operations."),
        _(
            "Find the captures in Nexi's back office. If the total is right, accept it"
            " on the page of the payment."
        ),
    ),
    DiscrepancyKind.REFUND_FAILED: (
        _("A queued refund was given up. The customer has not got this money back."),
        _(
            "Compare the amounts of the payment. If the customer is still owed money,"
            " refund it here."
        ),
    ),
}

_TOTAL_FITS: Final = _("The total fits again since the last question. Nothing is left.")
_TOTAL_IS_LESS: Final = _(
    "Nexi's total is less than what we know. Find the captures in Nexi's back office,"
    " and ask Nexi."
)

_TYPES: Final[dict[str, str | Promise]] = {
    result_codes.AUTHORIZATION: OperationKind.PAYMENT.label,
    result_codes.CAPTURE: OperationKind.CAPTURE.label,
    "REFUND": OperationKind.REFUND.label,
    "VOID": OperationKind.VOID.label,
    result_codes.CANCEL: OperationKind.CANCEL.label,
    **dict(OperationKind.choices),
}
_RESULTS: Final[dict[str, str | Promise]] = {
    **dict.fromkeys(result_codes.UNSUCCESSFUL, OperationOutcome.DECLINED.label),
    result_codes.PENDING: _("pending"),
    result_codes.AUTHORIZED: OrderState.AUTHORIZED.label,
    result_codes.EXECUTED: OperationOutcome.DONE.label,
    result_codes.VOIDED: OrderState.VOIDED.label,
    result_codes.REFUNDED: OrderState.REFUNDED.label,
    result_codes.CANCELED: _("cancelled"),
    "CANCELLED": _("cancelled"),
    **dict(RefundFailure.choices),
    **dict(OperationOutcome.choices),
}

#: ``Entry.text`` ("REFUND REFUNDED 300 op-1"), with what is odd of it before it. Only
#: with an id after it is the number surely an amount.
_ENTRY: Final = re.compile(r"(?:[a-z ]+: )?([A-Z]+) (\w+)(?: (\d{1,12}) \S+| \S+)?")
#: "refund 300 declined": an operation of ours
_OPERATION: Final = re.compile(r"([a-z]+) (\d{1,12})(?: ([a-z_]+))?")
#: "1250 EUR", and after the order id of a charge that we do not know
_MONEY: Final = re.compile(r"(?:(\w+) )?(\d{1,12}) ([A-Z]{3})")


@dataclass(frozen=True)
class DiscrepancyText:
    """A discrepancy for staff. ``ours`` and ``theirs`` are "" where the stored texts
    say no more than ``what``. ``excess``: what ``accept_totals`` would take over;
    ``expected``: the same as its form posts it.
    """

    record: Discrepancy
    what: str | Promise
    do: str | Promise
    ours: str
    theirs: str
    excess: str = ""
    expected: str = ""


def what_happened(kind: str) -> str | Promise:
    """The sentence for a kind, or for a reason of that name; "" for others."""
    return _TEXTS.get(kind, ("", ""))[0]


def describe(record: Discrepancy) -> DiscrepancyText:
    what, do = _TEXTS.get(record.kind, (record.kind, _LOOK))
    order = record.order
    currency = order.currency if order else ""
    excess = expected = ""
    if order and record.kind == DiscrepancyKind.TOTALS:
        if minor := operation_review.unexplained_total(order):
            excess = money.display(minor, currency)
            expected = str(money.to_major(minor, currency))
        if order.disputed_since is None:
            do = _TOTAL_FITS
        elif not excess:
            do = _TOTAL_IS_LESS
        ours, theirs = (_total(text, currency) for text in (record.ours, record.theirs))
    else:
        ours, theirs = (_words(text, currency) for text in (record.ours, record.theirs))
    return DiscrepancyText(record, what, do, ours, theirs, excess, expected)


def _total(text: str, currency: str) -> str:
    return money.display(int(text), currency) if text.isdecimal() else ""


def _words(text: str, currency: str) -> str:
    """A stored text with amounts in major units; "" if it has none, or is unknown."""
    parts = [_part(one, currency) for one in text.split(", ")]
    return ", ".join(parts) if all(parts) else ""


def _part(text: str, currency: str) -> str:
    if found := _MONEY.fullmatch(text):
        order_id, minor, code = found.groups()
        if code not in money.CURRENCIES:
            return ""
        return " ".join(filter(None, (money.display(int(minor), code), order_id)))
    if found := _ENTRY.fullmatch(text):
        kind, result, minor = found.groups()
    elif found := _OPERATION.fullmatch(text):
        kind, minor, result = found.groups()
    else:
        return ""
    if kind not in _TYPES or not currency:
        return ""
    amount = f" {money.display(int(minor), currency)}" if minor else ""
    word = f": {_RESULTS.get(result, result)}" if result else ""
    return f"{_TYPES[kind]}{amount}{word}"
