"""The card form. Its values are read once into a ``Card`` and never shown again."""

from __future__ import annotations

import re
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.utils import timezone
from django.utils.datastructures import MultiValueDict
from django.utils.translation import gettext_lazy as _
from stdnum import luhn

from nexi_payments.card import Card, brand_of, holds_card_number

#: What is replaced in the request once the form has read it.
CARD_FIELDS = ("card_number", "expiry", "security_code")


class _Secret(forms.TextInput):
    """Never renders a value, whatever the form was bound to."""

    def format_value(self, value: Any) -> None:
        return None


_WRONG_NUMBER = _("This card number is not right. Please check the digits.")
_WRONG_EXPIRY = _("Enter month and year like this: 05/30.")
_WRONG_CODE = _("The security code has three digits (Amex: four).")


def _secret(purpose: str, *, wrong: Any, **attrs: Any) -> _Secret:
    """``wrong`` is said by the page itself, as soon as the field is left."""
    return _Secret(
        attrs={
            "data-wrong": wrong,
            "autocomplete": purpose,
            "autocapitalize": "off",
            "spellcheck": "false",
            "inputmode": "numeric",
            **attrs,
        }
    )


class CardForm(forms.Form):
    """Cardholder, number, expiry, security code, in the order they stand on the card.

    ``form.card`` after ``is_valid()``; ``cleaned_data`` holds the cardholder only.
    """

    cardholder_name = forms.CharField(
        label=_("Name on the card"),
        max_length=100,
        widget=forms.TextInput(
            attrs={"autocomplete": "cc-name", "spellcheck": "false"}
        ),
        error_messages={"required": _("Enter the name on the card.")},
    )
    card_number = forms.CharField(
        label=_("Card number"),
        max_length=23,
        widget=_secret("cc-number", wrong=_WRONG_NUMBER),
        error_messages={
            "required": _("Enter the number on the front of the card."),
            "max_length": _("This is too long for a card number."),
        },
    )
    expiry = forms.CharField(
        label=_("Valid until (MM/YY)"),
        max_length=9,
        widget=_secret("cc-exp", wrong=_WRONG_EXPIRY, placeholder=_("MM/YY")),
        error_messages={
            "required": _("Enter the month and year until which the card is valid."),
            "max_length": _WRONG_EXPIRY,
        },
    )
    security_code = forms.CharField(
        label=_("Security code"),
        max_length=4,
        widget=_secret("cc-csc", wrong=_WRONG_CODE),
        error_messages={
            "required": _("Enter the three digits on the back (Amex: four in front)."),
            "max_length": _WRONG_CODE,
        },
    )

    card: Card | None = None

    def clean_cardholder_name(self) -> str:
        name: str = self.cleaned_data["cardholder_name"]
        if holds_card_number(name):
            raise ValidationError(
                _("This looks like a card number. Enter the name on the card."),
                code="card_number",
            )
        return name

    def clean_card_number(self) -> str:
        digits = re.sub(r"[ \-]", "", self.cleaned_data["card_number"])
        if not re.fullmatch(r"[0-9]{13,19}", digits) or not luhn.is_valid(digits):
            raise ValidationError(
                _WRONG_NUMBER,
                code="invalid",
            )
        return digits

    def clean_expiry(self) -> str:
        found = re.fullmatch(
            r"([0-9]{1,2})\s*[/\-. ]\s*(?:20)?([0-9]{2})|([0-9]{2})(?:20)?([0-9]{2})",
            self.cleaned_data["expiry"].strip(),
            re.ASCII,
        )
        month = int((found and (found[1] or found[3])) or 0)
        if found is None or not 1 <= month <= 12:
            raise ValidationError(_WRONG_EXPIRY, code="invalid")
        year = 2000 + int(found[2] or found[4])
        today = timezone.localdate()
        if (year, month) < (today.year, today.month):
            raise ValidationError(_("This card is no longer valid."), code="expired")
        if year > today.year + 30:
            raise ValidationError(_WRONG_EXPIRY, code="invalid")
        return f"{month:02d}{year % 100:02d}"

    def clean_security_code(self) -> str:
        code: str = self.cleaned_data["security_code"]
        if not re.fullmatch(r"[0-9]{3,4}", code):
            raise ValidationError(_WRONG_CODE, code="invalid")
        return code

    def clean(self) -> dict[str, Any]:
        """Makes the card and forgets its parts."""
        data = super().clean() or self.cleaned_data
        parts = [data.pop(name, None) for name in CARD_FIELDS]
        if all(parts) and not self.errors:
            number, expiry, code = parts
            if (len(code) == 4) != (brand_of(number) == "AMEX"):
                self.add_error(
                    "security_code",
                    ValidationError(
                        _WRONG_CODE,
                        code="invalid",
                    ),
                )
            else:
                self.card = Card(number, expiry, code)
        return data


class KeptCardForm(CardForm):
    """The same, for a card that is to stay on file: not without a tick."""

    agree = forms.BooleanField(
        label=_("I agree"),
        error_messages={
            "required": _(
                "Tick this box if you agree. Without it this payment cannot be made."
            )
        },
    )


def card_form(agreement: str) -> type[CardForm]:
    """The form of a card page; ``agreement`` is what is to be ticked, or ""."""
    return KeptCardForm if agreement else CardForm


def read_card(request: HttpRequest, form_class: type[CardForm] = CardForm) -> CardForm:
    """Binds the form to the request's POST, validates it, and takes the card out of the
    request, so that no error page or tracker finds it there later."""
    form = form_class(request.POST.copy())
    form.is_valid()
    scrub(request)
    form.data = request.POST
    return form


def scrub(request: HttpRequest) -> None:
    """Empties the posted card fields, and any other that holds a card number; the raw
    body goes too."""
    kept = request.POST.copy()
    for name, value in request.POST.items():
        if name in CARD_FIELDS or holds_card_number(str(value)):
            kept[name] = ""
    request.POST = kept  # type: ignore[assignment]
    request._post = kept  # type: ignore[attr-defined]
    request._body = b""
    if not hasattr(request, "_files"):
        request._files = MultiValueDict()  # type: ignore[attr-defined]
