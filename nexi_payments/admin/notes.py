"""What staff read about the data for 3-D Secure: warnings, and what was left out."""

from __future__ import annotations

from typing import Final

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from nexi_payments.customers import reasons
from nexi_payments.models import CustomerDetails, PaymentOrder

#: Recorded in Nexi's sandbox; the payment goes on, the address is not considered.
_WARNINGS: Final = {
    "003": _("Nexi did not consider the billing address: country"),
    "007": _("Nexi did not consider the billing address: province"),
    "010": _("Nexi did not consider the shipping address: country"),
    "014": _("Nexi did not consider the shipping address: province"),
}
_WHY: Final = {
    reasons.NO_COUNTRY: _("not a country of ISO 3166"),
    reasons.NO_PROVINCE: _("not a code of one or two characters"),
    reasons.NO_PHONE: _("not a telephone number with its country code"),
    reasons.NO_EMAIL: _("not an e-mail address"),
    reasons.NO_DATE: _("not a date, or one that cannot be"),
    reasons.NO_NUMBER: _("not a whole number"),
    reasons.NO_TEXT: _("holds characters that Nexi refuses"),
    reasons.UNKNOWN: _("not known here"),
    reasons.CARD: _("could be a card number"),
}
_GROUPS: Final = {
    "billing_address": _("billing address"),
    "shipping_address": _("shipping address"),
    "account": _("customer's account"),
    "risk": _("this purchase"),
    "mobile_phone": _("mobile phone"),
    "home_phone": _("telephone"),
    "work_phone": _("telephone at work"),
}
#: members of an address, the account and the purchase
_MEMBERS: Final = {
    "name": _("name"),
    "street": _("street"),
    "more": _("second line"),
    "city": _("city"),
    "post_code": _("post code"),
    "province": _("province"),
    "country": _("country"),
    "created": _("made on"),
    "changed": _("changed on"),
    "password_changed": _("password changed on"),
    "purchases": _("purchases in six months"),
    "attempts_today": _("payments begun today"),
    "attempts_this_year": _("payments begun this year"),
    "cards_added_today": _("cards added today"),
    "shipping_address_since": _("shipping address used since"),
    "shipping_name_differs": _("another name for the shipping"),
    "card_since": _("card on file since"),
    "suspicious": _("suspicious activity"),
    "delivery": _("time of delivery"),
    "delivery_email": _("e-mail for the delivery"),
    "ship_to": _("where it is sent"),
    "pre_order": _("ordered in advance"),
    "pre_order_date": _("available on"),
    "reorder": _("ordered again"),
    "gift_cards": _("gift cards"),
}


def warning_in_words(code: str) -> str:
    return f"{code}: {_WARNINGS.get(code) or _('warning of Nexi')}"


def left_out(order: PaymentOrder) -> list[str]:
    """What 3-D Secure is not told, and why: "billing address, country: not a …"."""
    rows = CustomerDetails.objects.filter(order=order.retry_of_id or order.pk)
    listed = rows.values_list("left_out", flat=True).first() or []
    return [_line(name, why) for name, why in listed]


def _line(name: str, why: str) -> str:
    group, _dot, member = name.partition(".")
    word: str | Promise = _GROUPS.get(group, group)
    named = f"{word}, {_MEMBERS.get(member, member)}" if member else word
    return f"{named}: {_WHY.get(why, why)}"
