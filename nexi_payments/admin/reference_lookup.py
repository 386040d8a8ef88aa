"""The phone order desk and ``REFERENCE_LOOKUP``: the form filled in, and differences.

Works without a script: "Look up" is a submit button of the order form.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext_lazy as _

from nexi_payments import conf, money
from nexi_payments.admin.amount_field import input_text
from nexi_payments.admin.error_texts import error_text
from nexi_payments.admin.forms import PhoneOrderForm
from nexi_payments.exceptions import ShopOrderDiffers, ShopOrderError
from nexi_payments.flows import shop_orders
from nexi_payments.flows.ledger.transitions import Actor
from nexi_payments.flows.shop_orders import ShopOrder


@dataclass(frozen=True)
class Found:
    """The form with what the shop knows, and a text for the clerk."""

    form: PhoneOrderForm
    is_known: bool
    text: Any


def is_wanted(form: PhoneOrderForm) -> bool:
    """Whether the clerk asks for a lookup, by button or by an empty amount."""
    if not conf.current().reference_lookup:
        return False
    typed = {name: str(form.data.get(name, "")) for name in ("reference", "amount")}
    by_enter = bool(typed["reference"].strip()) and not typed["amount"].strip()
    return "look_up" in form.data or by_enter


def fill_in(form: PhoneOrderForm, actor: Actor) -> Found:
    """A form with the amount and currency of the shop's order, and with its other
    values where the clerk has left them empty.

    ``form`` has a valid reference. Without an order it keeps what was typed.
    """
    typed = {name: str(form.data.get(name, "")) for name in form.fields}
    names = [one.name for one in form.terminals]
    terminal = typed["terminal"] if typed["terminal"] in names else names[0]
    try:
        found = shop_orders.look_up(
            typed["reference"], terminal=terminal, user=actor.user
        )
    except ShopOrderError as error:
        form = PhoneOrderForm(initial=typed, user=actor.user)
        return Found(form, False, error_text(error))
    assert found is not None  # noqa: S101  there are a setting and a reference
    initial = {**_fields(found), **{k: v for k, v in typed.items() if v}}
    initial |= _amount_fields(found)
    text = _("Order %(reference)s: %(amount)s. Check it with the caller.") % {
        "reference": typed["reference"].strip(),
        "amount": money.display(found.minor, found.currency_code),
    }
    return Found(PhoneOrderForm(initial=initial, user=actor.user), True, text)


def _fields(found: ShopOrder) -> dict[str, str]:
    contact = found.contact
    return {
        "description": found.description,
        "customer_name": contact.get("name", ""),
        "customer_email": contact.get("email", ""),
    }


def _amount_fields(found: ShopOrder) -> dict[str, str]:
    currency = found.currency_code
    total = money.to_major(found.minor, currency)
    return {
        "amount": input_text(total, currency) if total else "",
        "currency": currency,
    }


def add_difference(form: PhoneOrderForm, error: ShopOrderError) -> None:
    """The error, and a checkbox to accept it, unless ``REFERENCE_LOOKUP_STRICT``."""
    name = "amount" if isinstance(error, ShopOrderDiffers) else "reference"
    form.add_error(name, error_text(error))
    if not conf.current().reference_lookup_strict:
        form.difference, form.difference_field = error.difference, name
