"""Who buys, and where the parcel goes."""

from __future__ import annotations

from typing import Any, Final

from django import forms
from django.core.validators import RegexValidator
from django.utils.translation import gettext_lazy as _

#: Each in its own language: nobody looks for the name that others have for his country.
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
#: Whoever tries the demo need not make somebody up.
SOMEBODY: Final = {"name": "Giulia Bianchi", "email": "giulia@shop.example"}
SOMEWHERE: Final = {
    "street": "Via Verdi 3",
    "post_code": "00184",
    "city": "Roma",
    "province": "RM",
    "country": "IT",
}


#: What is typed here is kept. Twelve digits and more: somebody is a page too early.
_NO_CARD: Final = RegexValidator(
    r"\A(?:\D*\d){0,11}\D*\Z",
    _("Is this a card number? The card is asked for on the next page."),
    "card",
)


def _text(label: Any, longest: int, autocomplete: str, **more: Any) -> forms.CharField:
    return forms.CharField(
        label=label,
        max_length=longest,
        validators=[_NO_CARD],
        widget=forms.TextInput({"autocomplete": autocomplete}),
        **more,
    )


class CheckoutForm(forms.Form):
    name = _text(_("Name"), 100, "name")
    email = forms.EmailField(
        label=_("E-mail"), widget=forms.EmailInput({"autocomplete": "email"})
    )
    street = _text(
        _("Street and number"),
        50,
        "address-line1",
        required=False,
        help_text=_("Without an address you collect it in our shop."),
    )
    post_code = _text(_("Post code"), 16, "postal-code", required=False)
    city = _text(_("City"), 50, "address-level2", required=False)
    province = _text(_("Province"), 2, "address-level1", required=False)
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
        return [self[name] for name in SOMEWHERE]

    def clean(self) -> dict[str, Any]:
        """A whole address, or none."""
        found: dict[str, Any] = super().clean() or self.cleaned_data
        for name in list(self.errors):
            if self.has_error(name, "card"):  # not shown again either
                self.data = {**self.data, self.add_prefix(name): ""}
        parts = ("street", "post_code", "city")
        if any(found.get(name) for name in parts):
            for name in parts:
                if not found.get(name) and name not in self.errors:
                    self.add_error(name, _("This belongs to an address."))
        return found
