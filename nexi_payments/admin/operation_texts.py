"""Texts of operations for staff: response codes of issuers, and outcomes."""

from __future__ import annotations

from typing import Final

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from nexi_payments.enums import OperationOutcome
from nexi_payments.gateway import result_codes
from nexi_payments.gateway.result_codes import DeclineAdvice
from nexi_payments.models import Operation

#: Meanings of response codes for the timeline (docs/gateway.md). Codes of fraud, loss
#: or theft share one text.
_DO_NOT_RETRY: Final = _("not accepted by the bank; do not try again")
_RESPONSE_CODE_TEXTS: Final = {
    "000": _("approved"),
    "100": _("not accepted, no reason given"),
    "101": _("expired, or wrong expiry date"),
    "106": _("PIN tried too often"),
    "109": _("merchant not valid"),
    "110": _("amount not valid"),
    "111": _("card number not valid"),
    "115": _("function not supported"),
    "116": _("not enough money"),
    "117": _("wrong PIN"),
    "118": _("card not known"),
    "119": _("not permitted to the cardholder"),
    "120": _("not permitted to the terminal"),
    "121": _("above the card's limit"),
    "122": _("not permitted"),
    "123": _("used too often"),
    "125": _("card not active yet"),
    "413": _("tried too often; another card is needed"),
    "888": _("pending at the bank"),
    "902": _("transaction not valid"),
    "903": _("to be entered again"),
    "904": _("format error"),
    "906": _("bank is closing its day"),
    "907": _("bank cannot be reached"),
    "908": _("bank cannot be found"),
    "909": _("fault at the bank"),
    "911": _("bank did not answer in time"),
    "913": _("sent twice"),
    "999": _("merchant settings at Nexi"),
}


def response_code_text(code: str) -> str | Promise:
    """``"116"`` → "not enough money"; "" for no code."""
    if not code:
        return ""
    if code in _RESPONSE_CODE_TEXTS:
        return _RESPONSE_CODE_TEXTS[code]
    if result_codes.decline_advice(code) == DeclineAdvice.DO_NOT_RETRY:
        return _DO_NOT_RETRY
    return _("not accepted, no reason given")


#: Texts for outcomes of captures, voids and refunds.
OUTCOME_TEXTS: Final[dict[str, str | Promise]] = {
    OperationOutcome.OPEN: _("On its way to Nexi."),
    OperationOutcome.ACCEPTED: _(
        "Sent, waiting for Nexi to confirm. The amount is reserved."
    ),
    OperationOutcome.DONE: _("Done: Nexi has confirmed it."),
    OperationOutcome.DECLINED: _("Refused by Nexi. No money has moved."),
    OperationOutcome.REJECTED: _("Refused by Nexi. No money has moved."),
    OperationOutcome.NOT_SENT: _(
        "Not sent: Nexi could not be reached. No money has moved."
    ),
    OperationOutcome.IN_DOUBT: _(
        "Nexi has not told the outcome yet. The amount is reserved and we keep asking;"
        " do not enter it again."
    ),
}


def outcome_text(operation: Operation) -> str | Promise:
    return OUTCOME_TEXTS[operation.outcome]
