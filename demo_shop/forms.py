"""Checkout form: contact, shipping address, terminal."""

from __future__ import annotations

from typing import Any, Final

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from nexi_payments.pan_scanner import contains_card_number

#: Names in the language of each country.
COUNTRIES: Final = (
    ("IT", "Italia"),
    ("SM", "San Marino"),
    ("AT", "Österreich"),
    ("CH", "Schweiz, Suisse, Svizzera"),
    ("DE", "Deutschland"),
    ("ES", "España"),
    ("FR", "France"),
    ("GR", "Ελλάδα"),
)
#: Prefilled contact for visitors of the demo.
SAMPLE_CONTACT: Final = {"name": "Giulia Bianchi", "email": "giulia@shop.example"}
SAMPLE_ADDRESS: Final = {
    "street": "Via Verdi 3",
    "post_code": "00184",
    "city": "Roma",
    "province": "RM",
    "country": "IT",
}


def _reject_card_number(text: str) -> None:
    """Reject card numbers: this form is stored, and visitors may be a page too
    early."""
    if contains_card_number(text):
        raise ValidationError(
            _("Is this a card number? The card is asked for on the next page."),
            "card",
        )


def _text_field(
    label: Any, longest: int, autocomplete: str, **more: Any
) -> forms.CharField:
    return forms.CharField(
        label=label,
        max_length=longest,
        validators=[_reject_card_number],
        widget=forms.TextInput({"autocomplete": autocomplete}),
        **more,
    )


class CheckoutForm(forms.Form):
    name = _text_field(_("Name"), 100, "name")
    email = forms.EmailField(
        label=_("E-mail"),
        validators=[_reject_card_number],
        widget=forms.EmailInput({"autocomplete": "email"}),
    )
    street = _text_field(
        _("Street and number"),
        50,
        "address-line1",
        required=False,
        help_text=_("Without an address you collect it in our shop."),
    )
    post_code = _text_field(_("Post code"), 16, "postal-code", required=False)
    city = _text_field(_("City"), 50, "address-level2", required=False)
    province = _text_field(_("Province"), 2, "address-level1", required=False)
    country = forms.ChoiceField(
        label=_("Country"),
        choices=COUNTRIES,
        required=False,
        widget=forms.Select({"autocomplete": "country"}),
    )
    terminal = forms.ChoiceField(
        label=_("How the payment runs"),
        choices=[
            ("default", _("3-D Secure in three steps, charged at once")),
            ("two_steps", _("3-D Secure in two steps, charged at once")),
            ("manual", _("Three steps, only authorized: staff capture it later")),
        ],
        required=False,
    )

    @property
    def address(self) -> list[forms.BoundField]:
        return [self[name] for name in SAMPLE_ADDRESS]

    def clean(self) -> dict[str, Any]:
        """Require a complete address, or none."""
        data: dict[str, Any] = super().clean() or self.cleaned_data
        for name in list(self.errors):
            if self.has_error(name, "card"):  # do not show it again
                self.data = {**self.data, self.add_prefix(name): ""}
        parts = ("street", "post_code", "city")
        if any(data.get(name) for name in parts):
            for name in parts:
                if not data.get(name) and name not in self.errors:
                    self.add_error(name, _("This belongs to an address."))
        return data
