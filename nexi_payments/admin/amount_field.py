"""Form field for amounts, with choices for ambiguous texts."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, NamedTuple

from django import forms
from django.core.exceptions import ValidationError
from django.utils import formats
from django.utils.translation import gettext_lazy as _

from nexi_payments import amount_input, money
from nexi_payments.amount_input import AmountParseError, AmountProblem


class AmountChoice(NamedTuple):
    """A button for one amount: posted value and label."""

    value: str
    label: str


class AmountField(forms.CharField):
    """The typed text. ``AmountMixin`` parses it once the currency is known."""

    def __init__(self) -> None:
        super().__init__(
            label=_("Amount"),
            widget=forms.TextInput(
                attrs={"inputmode": "decimal", "size": 12, "autocomplete": "off"}
            ),
            error_messages={"required": _("Enter the amount.")},
        )


class AmountMixin(forms.Form):
    """A form with one amount.

    ``amount_choices`` is filled if the text is ambiguous: one submit button a choice.
    """

    amount = AmountField()
    amount_choices: tuple[AmountChoice, ...] = ()

    def parse_amount(self, currency: str) -> Decimal | None:
        """Replace the text in ``cleaned_data`` by the amount, in major units.

        ``None`` (and a form error) if the text is rejected.
        """
        text = self.cleaned_data.get("amount")
        if not isinstance(text, str):
            return None
        try:
            amount = amount_input.parse(text, currency)
        except AmountParseError as error:
            self.amount_choices = tuple(
                AmountChoice(
                    input_text(one, currency),
                    money.display(money.to_minor(one, currency), currency),
                )
                for one in error.candidates
            )
            self.add_error("amount", _validation_error(error, text, currency))
            return None
        self.cleaned_data["amount"] = amount
        return amount


def input_text(amount: Decimal, currency: str) -> str:
    """Text of the amount for the field: "12,50" in Italian.

    Parses back to the same amount, independent of the host's format settings.
    """
    separator = str(formats.get_format("DECIMAL_SEPARATOR"))
    return amount_input.format_amount(
        amount, currency, "," if separator == "," else "."
    )


def _validation_error(
    error: AmountParseError, text: str, currency: str
) -> ValidationError:
    messages = {
        AmountProblem.UNREADABLE: _("Enter an amount like 12.50."),
        AmountProblem.AMBIGUOUS: _(
            "“%(text)s” can mean two amounts. Choose the one you mean."
        ),
        AmountProblem.DECIMALS: _("%(currency)s has %(digits)s decimals."),
        AmountProblem.CURRENCY: _("This amount is not in %(currency)s."),
        AmountProblem.NOT_POSITIVE: _("The amount must be more than zero."),
        AmountProblem.TOO_LARGE: _("This amount is too large."),
    }
    message = messages[error.problem]
    if error.problem is AmountProblem.DECIMALS and error.candidates:
        message = _(
            "%(currency)s has %(digits)s decimals. Correct the amount, or choose what"
            " you mean."
        )
    params: dict[str, Any] = {
        "text": text,
        "currency": currency,
        "digits": money.exponent(currency),
    }
    return ValidationError(message, params=params, code=error.problem.value)
