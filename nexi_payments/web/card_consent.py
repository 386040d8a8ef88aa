"""The terms of a saved card, which the shopper accepts before it is saved."""

from __future__ import annotations

from django.utils import formats
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from nexi_payments import conf, enums, money
from nexi_payments.models import PaymentOrder


def consent_text(order: PaymentOrder) -> str:
    """The text that the shopper must accept before the card is saved.

    In the active language; "" if no card will be saved.
    """
    contract = order.contract
    if contract is None or order.channel not in enums.CONTRACT_CHANNELS:
        return ""
    first: object
    if contract.frequency is None:
        first = _(
            "Your card stays on file at Nexi. The shop may charge it later without"
            " asking you again."
        )
    elif contract.amount is None:
        first = ngettext(
            "Your card stays on file at Nexi. The shop charges it every %(days)s day.",
            "Your card stays on file at Nexi. The shop charges it every %(days)s days.",
            contract.frequency,
        ) % {"days": contract.frequency}
    else:
        first = ngettext(
            "Your card stays on file at Nexi. The shop charges %(amount)s to it every"
            " %(days)s day.",
            "Your card stays on file at Nexi. The shop charges %(amount)s to it every"
            " %(days)s days.",
            contract.frequency,
        ) % {
            "days": contract.frequency,
            "amount": money.display_with_symbol(contract.amount, contract.currency),
        }
    parts = [str(first)]
    if contract.until is not None:
        day = formats.date_format(contract.until, "DATE_FORMAT")
        parts.append(str(_("The last day is %(day)s.")) % {"day": day})
    parts.append(str(_("You may end this at any time: ask the shop.")))
    names = filter(None, (conf.current().merchant_name, contract.description))
    title = ", ".join(names)
    return " ".join([f"{title}:", *parts] if title else parts)
