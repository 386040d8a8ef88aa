"""Staff texts about 3-D Secure data: warnings of Nexi and omitted fields."""

from __future__ import annotations

from typing import Final

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from nexi_payments.customers import omissions
from nexi_payments.models import CustomerDetails, PaymentOrder

#: Recorded in Nexi's sandbox. The payment continues; Nexi ignores the address.
_WARNING_TEXTS: Final = {
    "003": _("Nexi did not consider the billing address: country"),
    "007": _("Nexi did not consider the billing address: province"),
    "010": _("Nexi did not consider the shipping address: country"),
    "014": _("Nexi did not consider the shipping address: province"),
}
_REASON_TEXTS: Final = {
    omissions.NO_COUNTRY: _("not a country of ISO 3166"),
    omissions.NO_PROVINCE: _("not a code of one or two characters"),
    omissions.NO_PHONE: _("not a telephone number with its country code"),
    omissions.NO_EMAIL: _("not an e-mail address"),
    omissions.NO_DATE: _("not a date, or one that cannot be"),
    omissions.NO_NUMBER: _("not a whole number"),
    omissions.NO_TEXT: _("holds characters that Nexi refuses"),
    omissions.UNKNOWN: _("not known here"),
    omissions.CARD: _("could be a card number"),
}
_GROUP_LABELS: Final = {
    "billing_address": _("billing address"),
    "shipping_address": _("shipping address"),
    "account": _("customer's account"),
    "risk": _("this purchase"),
    "mobile_phone": _("mobile phone"),
    "home_phone": _("telephone"),
    "work_phone": _("telephone at work"),
}
#: Members of addresses, account and purchase.
_MEMBER_LABELS: Final = {
    "name": _("name"),
    "street": _("street"),
    "street2": _("second line"),
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


def warning_text(code: str) -> str:
    return f"{code}: {_WARNING_TEXTS.get(code) or _('warning of Nexi')}"


def omitted(order: PaymentOrder) -> list[str]:
    """Data omitted from 3-D Secure, with the reason: "billing address, country: not a
    …"."""
    rows = CustomerDetails.objects.filter(order=order.retry_of_id or order.pk)
    listed = rows.values_list("omitted", flat=True).first() or []
    return [_omission_text(name, reason) for name, reason in listed]


def _omission_text(name: str, reason: str) -> str:
    group, _dot, member = name.partition(".")
    label: str | Promise = _GROUP_LABELS.get(group, group)
    if member:
        label = f"{label}, {_MEMBER_LABELS.get(member, member)}"
    return f"{label}: {_REASON_TEXTS.get(reason, reason)}"
