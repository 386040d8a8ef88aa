"""Meanings of response codes for staff."""

from __future__ import annotations

from typing import Final

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from nexi_payments.gateway import result_codes
from nexi_payments.gateway.result_codes import DeclineAdvice

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
    "116": _("insufficient funds"),
    "117": _("wrong PIN"),
    "118": _("card not known"),
    "119": _("not permitted to the cardholder"),
    "120": _("not permitted to the terminal"),
    "121": _("above the card's limit"),
    "122": _("not permitted"),
    "123": _("used too often"),
    "125": _("card not active yet"),
    "413": _("tried too often; another card is needed"),
    "888": _("pending at the issuer"),
    "902": _("transaction not valid"),
    "903": _("to be entered again"),
    "904": _("format error"),
    "906": _("bank is closing its day"),
    "907": _("bank cannot be reached"),
    "908": _("bank cannot be found"),
    "909": _("fault at the issuer"),
    "911": _("bank did not answer in time"),
    "913": _("sent twice"),
    "999": _("merchant settings at Nexi"),
}


def response_code_text(code: str) -> str | Promise:
    """``"116"`` → "insufficient funds"; "" for no code."""
    if not code:
        return ""
    if code in _RESPONSE_CODE_TEXTS:
        return _RESPONSE_CODE_TEXTS[code]
    if result_codes.decline_advice(code) == DeclineAdvice.DO_NOT_RETRY:
        return _DO_NOT_RETRY
    return _("not accepted, no reason given")
