"""The card form. It reads card data once into a ``Card`` and never renders them."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final, TypeVar

from django import forms
from django.core.exceptions import ValidationError
from django.http import HttpRequest, QueryDict
from django.utils.translation import gettext_lazy as _
from stdnum import luhn

from nexi_payments import card_extraction, shop_time
from nexi_payments.card import Card, brand_of
from nexi_payments.gateway.payloads import plain_text
from nexi_payments.models.text_storage import unstorable_character
from nexi_payments.pan_scanner import contains_card_number
from nexi_payments.pan_scanner.folding import fold
from nexi_payments.text_input import has_control_characters

FormT = TypeVar("FormT", bound=forms.Form)


class _CardDataInput(forms.TextInput):
    """Never renders its value, not even in a bound form."""

    def format_value(self, value: Any) -> None:
        return None


#: What people and other programs put between the digits of a security code: spaces,
#: dashes and dots of any kind.
_SEPARATORS: Final = re.compile(r"[\s.\-\u00b7\u2010-\u2015\u2022\u2212_]+")
#: Characters. A browser cuts what is pasted to it, before any script.
_MAX_PASTED: Final = 64

NO_CONTROL_CHARACTERS = _("Write this in one line, without control characters.")
_INVALID_NUMBER = _("This card number is not right. Please check the digits.")
_INVALID_EXPIRY = _("Enter month and year like this: 05/30.")
_EXPIRED = _("This card is no longer valid.")
_INVALID_CODE = _("The security code has three digits (Amex: four).")


def _card_data_input(purpose: str, *, error: Any, **attrs: Any) -> _CardDataInput:
    """``error``: the text that the script of the page shows when the field loses
    focus."""
    return _CardDataInput(
        attrs={
            "data-error": error,
            "autocomplete": purpose,
            "autocapitalize": "off",
            "spellcheck": "false",
            "inputmode": "numeric",
            **attrs,
        }
    )


def unstorable_text_error(character: str) -> ValidationError:
    """The error of a field whose text the database cannot store (E050)."""
    return ValidationError(
        _("The character %(character)s cannot be stored here. Leave it out."),
        params={"character": character},
        code="unstorable",
    )


class CardForm(forms.Form):
    """Cardholder, number, expiry date and security code, in the order of the card.

    After ``is_valid()``, ``form.card`` holds the card; ``cleaned_data`` holds the
    cardholder only.
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
        max_length=_MAX_PASTED,
        widget=_card_data_input("cc-number", error=_INVALID_NUMBER),
        error_messages={
            "required": _("Enter the number on the front of the card."),
            "max_length": _("This is too long for a card number."),
        },
    )
    expiry = forms.CharField(
        label=_("Expiry date (MM/YY)"),
        max_length=_MAX_PASTED,
        widget=_card_data_input(
            "cc-exp", error=_INVALID_EXPIRY, placeholder=_("MM/YY")
        ),
        error_messages={
            "required": _("Enter the month and year until which the card is valid."),
            "max_length": _INVALID_EXPIRY,
        },
    )
    security_code = forms.CharField(
        label=_("Security code"),
        help_text=_("3 digits on the back. American Express: 4 on the front."),
        max_length=_MAX_PASTED,
        widget=_card_data_input("cc-csc", error=_INVALID_CODE),
        error_messages={
            "required": _("Enter the three digits on the back (Amex: four in front)."),
            "max_length": _INVALID_CODE,
        },
    )

    card: Card | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # what the script of the page says before the card is sent
        for field in self.fields.values():
            if field.required and not field.widget.is_hidden:
                field.widget.attrs["data-missing"] = field.error_messages["required"]
        today = shop_time.earliest_day_on_earth()
        self.fields["expiry"].widget.attrs |= {
            "data-earliest": f"{today:%y%m}",
            "data-expired": _EXPIRED,
        }

    def clean_cardholder_name(self) -> str:
        name: str = self.cleaned_data["cardholder_name"]
        if contains_card_number(name):
            raise ValidationError(
                _("This looks like a card number. Enter the name on the card."),
                code="card_number",
            )
        if character := unstorable_character(name):
            raise unstorable_text_error(character)
        if has_control_characters(name):
            raise ValidationError(NO_CONTROL_CHARACTERS, code="control_characters")
        if not plain_text(name):
            raise ValidationError(_("Enter the name on the card."), code="required")
        return name

    def clean_card_number(self) -> str:
        # whatever stands around the digits was pasted with them: the checksum decides
        digits = re.sub(r"[^0-9]+", "", fold(self.cleaned_data["card_number"]))
        if not re.fullmatch(r"[0-9]{13,19}", digits) or not luhn.is_valid(digits):
            raise ValidationError(
                _INVALID_NUMBER,
                code="invalid",
            )
        return digits

    def clean_expiry(self) -> str:
        found = re.fullmatch(
            r"([0-9]{1,2})[\s/.,\-\u2010-\u2015\u2212]+(?:20)?([0-9]{2})"
            r"|([0-9]{2})(?:20)?([0-9]{2})",
            fold(self.cleaned_data["expiry"]).strip(),
            re.ASCII,
        )
        month = int((found and (found[1] or found[3])) or 0)
        if found is None or not 1 <= month <= 12:
            raise ValidationError(_INVALID_EXPIRY, code="invalid")
        year = 2000 + int(found[2] or found[4])
        today = shop_time.earliest_day_on_earth()
        if (year, month) < (today.year, today.month):
            raise ValidationError(_EXPIRED, code="expired")
        if year > today.year + 30:
            raise ValidationError(_INVALID_EXPIRY, code="invalid")
        return f"{month:02d}{year % 100:02d}"

    def clean_security_code(self) -> str:
        code = _SEPARATORS.sub("", fold(self.cleaned_data["security_code"]))
        if not re.fullmatch(r"[0-9]{3,4}", code):
            raise ValidationError(_INVALID_CODE, code="invalid")
        return code

    def clean(self) -> dict[str, Any]:
        """Build the card and drop its parts from ``cleaned_data``."""
        data = super().clean() or self.cleaned_data
        parts = [data.pop(name, None) for name in card_extraction.CARD_FIELDS]
        if all(parts) and not self.errors:
            number, expiry, code = parts
            if (len(code) == 4) != (brand_of(number) == "AMEX"):
                self.add_error(
                    "security_code",
                    ValidationError(
                        _INVALID_CODE,
                        code="invalid",
                    ),
                )
            else:
                self.card = Card(number, expiry, code)
        return data


class SavedCardForm(CardForm):
    """The card form with a required tick box: the consent to save the card."""

    agree = forms.BooleanField(
        label=_("I agree"),
        error_messages={
            "required": _(
                "Tick this box if you agree. Without it this payment cannot be made."
            )
        },
    )


def card_form_class(consent_text: str) -> type[CardForm]:
    """The form class of a card page. ``consent_text``: the text to accept, or ""."""
    return SavedCardForm if consent_text else CardForm


def bind_card_form(
    request: HttpRequest, form_class: Callable[[Any], CardForm] = CardForm
) -> CardForm:
    """Bind the form to the submission and validate it.

    Afterwards neither form nor request has the card fields, so that no error page or
    error tracker finds them.
    """

    def read() -> CardForm:
        form = form_class(_posted_data(request))
        form.is_valid()
        form.data = request.POST
        return form

    return card_extraction.call_without_frames(read)


def bind_form(request: HttpRequest, form_class: Callable[[Any], FormT]) -> FormT:
    """Bind and validate a form that has no card fields and rejects card numbers.

    Unlike ``bind_card_form``, the form shows the submitted values again.
    """

    def read() -> FormT:
        form = form_class(_posted_data(request))
        form.is_valid()
        return form

    return card_extraction.call_without_frames(read)


def _posted_data(request: HttpRequest) -> Any:
    posted = card_extraction.take_submission(request)
    return posted if isinstance(posted, QueryDict) else request.POST
