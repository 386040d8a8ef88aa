"""Forms of staff: phone orders, card verification, actions.

Only ``PhoneOrderCardForm`` and ``CardVerificationForm`` take a card. The other forms
reject text that contains a card number.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from nexi_payments import conf, money
from nexi_payments.admin.amount_field import AmountMixin
from nexi_payments.admin.base import usable_terminals
from nexi_payments.admin.error_texts import error_text
from nexi_payments.exceptions import TerminalNotConfigured
from nexi_payments.models import Contract
from nexi_payments.models.text_storage import unstorable_character
from nexi_payments.pan_scanner import contains_card_number
from nexi_payments.text_input import has_control_characters
from nexi_payments.web.card_form import (
    NO_CONTROL_CHARACTERS,
    CardForm,
    unstorable_text_error,
)

CARD_NUMBER_NOT_ALLOWED = _(
    "This looks like a card number. It must not be written here."
)


class NoCardNumbersForm(forms.Form):
    """Every field rejects card numbers, control characters, and characters that the
    database cannot store. The page does not repeat a rejected card number."""

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        for name in self.fields:
            raw = str(self.data.get(self.add_prefix(name), ""))
            if contains_card_number(raw):
                self._clear_value(name)
                self.errors.pop(name, None)
                self.add_error(name, CARD_NUMBER_NOT_ALLOWED)
            elif name in self.errors:
                continue
            elif has_control_characters(raw.strip()):
                self.add_error(name, NO_CONTROL_CHARACTERS)
            elif character := unstorable_character(str(data.get(name) or "")):
                self.add_error(name, unstorable_text_error(character))
        return data

    def has_card_number(self) -> bool:
        """Whether a field was rejected for a card number. Validates the form."""
        return any(CARD_NUMBER_NOT_ALLOWED in errors for errors in self.errors.values())

    def _clear_value(self, name: str) -> None:
        self.data = {**self.data, self.add_prefix(name): ""}


def focus_first(form: forms.Form) -> None:
    """Focus the first field with an error, else the first empty field.

    Done on the server, so that it needs no script.
    """
    fields = form.visible_fields()
    invalid = [field for field in fields if field.errors]
    empty = [field for field in fields if not field.value()]
    for field in (invalid or empty)[:1]:
        field.field.widget.attrs["autofocus"] = True


def focus_card_form(form: CardForm) -> None:
    """Focus the card number, which is typed again after any error, or the name."""
    name = form["cardholder_name"]
    first = "card_number" if name.value() and not name.errors else name.name
    form.fields[first].widget.attrs["autofocus"] = True


def _set_terminal_choices(
    form: forms.Form, terminals: Sequence[conf.Terminal]
) -> list[str]:
    """Set the choices of currency and terminal; hide a terminal without alternatives.
    Returns the currencies."""
    known: dict[str, None] = {}
    for one in terminals:
        known |= dict.fromkeys(one.currencies)
    names = [one.name for one in terminals]
    for field, values in (("currency", known), ("terminal", names)):
        form.fields[field].choices = [(value, value) for value in values]  # type: ignore[attr-defined]
    if len(names) < 2:
        form.fields["terminal"].widget = forms.HiddenInput()
    return list(known)


class PhoneOrderForm(AmountMixin, NoCardNumbersForm):
    """A phone order: amount, reference, customer. The card has a page of its own."""

    currency = forms.ChoiceField(label=_("Currency"))
    reference = forms.CharField(
        label=_("Reference"),
        max_length=100,
        help_text=_("The number of the order in your shop. It is charged once."),
        error_messages={"required": _("Enter the number of the order.")},
    )
    description = forms.CharField(
        label=_("Description"), max_length=255, required=False
    )
    customer_name = forms.CharField(label=_("Customer"), max_length=255, required=False)
    customer_email = forms.EmailField(
        label=_("Customer's e-mail"),
        max_length=254,
        required=False,
        help_text=_("For the receipt, or for a secure link."),
    )
    terminal = forms.ChoiceField(label=_("Terminal"), required=False)
    nonce = forms.CharField(max_length=32, required=False, widget=forms.HiddenInput)
    #: the only currency of the terminals: a text, no choice
    fixed_currency = ""
    #: how it differs from the shop's order: the checkbox, and the field that it is at
    difference = ""
    difference_field = ""

    def __init__(self, *args: Any, user: Any = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.terminals = usable_terminals(user, conf.current().desk_terminals)
        currencies = _set_terminal_choices(self, self.terminals)
        if len(currencies) == 1:
            self.fixed_currency = currencies[0]
            self.fields["currency"].widget = forms.HiddenInput()
            self.initial = {**self.initial, "currency": self.fixed_currency}
        for name in ("reference", "description", "customer_name", "customer_email"):
            self.fields[name].widget.attrs["autocomplete"] = "off"

    def clean_terminal(self) -> str:
        return self.cleaned_data["terminal"] or self.terminals[0].name

    def clean(self) -> dict[str, Any]:
        data = super().clean()
        if {"amount", "currency", "terminal"} <= data.keys():
            terminal = conf.current().terminal(data["terminal"])
            amount = self.parse_amount(data["currency"])
            try:
                if amount is not None:
                    validate_amount(amount, data["currency"], terminal)
            except ValidationError as error:
                self.add_error("amount", error)
        return data


def validate_amount(amount: Decimal, currency: str, terminal: conf.Terminal) -> None:
    """Raise ``ValidationError`` for an amount or currency that the terminal rejects.

    ``amount`` in major units.
    """
    _validate_currency(currency, terminal)
    if terminal.max_amount is not None and amount > terminal.max_amount:
        most = int(terminal.max_amount.scaleb(money.exponent(currency)))
        raise ValidationError(
            _("This desk takes at most %(most)s at once."),
            params={"most": money.display(most, currency)},
            code="ceiling",
        )


def _validate_currency(currency: str, terminal: conf.Terminal) -> None:
    if currency not in terminal.currencies:
        raise ValidationError(
            _("Terminal %(name)s does not take %(currency)s."),
            params={"name": terminal.name, "currency": currency},
        )


def _disable_autocomplete(fields: Iterable[tuple[str, forms.Field]]) -> None:
    """Keep the browser from remembering card fields; mask number and code.

    The number is shown while it is typed, unless ``MASK_CARD_NUMBER``: the clerk reads
    its groups back to the caller.
    """
    shown = "" if conf.current().mask_card_number else " nexi-shown"
    masked = {"card_number": f"nexi-masked{shown}", "security_code": "nexi-masked"}
    for name, field in fields:
        field.widget.attrs["autocomplete"] = "off"
        if name in masked:
            field.widget.attrs["class"] = masked[name]


class PhoneOrderCardForm(CardForm):
    """The card of a phone order."""

    allow_duplicate = forms.BooleanField(
        label=_("Charge the same card and amount once more: the caller wants it"),
        required=False,
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _disable_autocomplete(self.fields.items())


class CardVerificationForm(CardForm):
    """A card for a zero-amount verification, with currency and terminal."""

    #: does not repeat the posted value: it may be anything
    _CHOOSE = {"invalid_choice": _("Choose one of the list.")}
    currency = forms.ChoiceField(label=_("Currency"), error_messages=_CHOOSE)
    terminal = forms.ChoiceField(
        label=_("Terminal"), required=False, error_messages=_CHOOSE
    )
    nonce = forms.CharField(required=False, widget=forms.HiddenInput)

    def __init__(self, *args: Any, user: Any = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        known = conf.current().verification_terminals
        self.terminals = usable_terminals(user, known)
        _set_terminal_choices(self, self.terminals)
        _disable_autocomplete(self.fields.items())

    def clean_terminal(self) -> str:
        return self.cleaned_data["terminal"] or self.terminals[0].name

    def clean(self) -> dict[str, Any]:
        data = super().clean()
        if self.card is not None:
            try:
                terminal = conf.current().terminal(data["terminal"])
                _validate_currency(data["currency"], terminal)
            except ValidationError as error:
                self.card = None
                self.add_error("currency", error)
        return data


class AmountForm(AmountMixin):
    """The amount of an action, and the remaining amount that the clerk saw.

    Both in major units; ``expected_remaining`` is not localized.
    """

    expected_remaining = forms.DecimalField(
        widget=forms.HiddenInput, max_digits=15, decimal_places=3
    )
    capture = forms.IntegerField(required=False, widget=forms.HiddenInput)
    nonce = forms.CharField(max_length=32, required=False, widget=forms.HiddenInput)

    def __init__(self, *args: Any, currency: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.currency = currency

    def clean(self) -> dict[str, Any]:
        super().clean()
        self.parse_amount(self.currency)
        return self.cleaned_data


class ContractChargeForm(AmountMixin, NoCardNumbersForm):
    """One charge to a saved card."""

    reference = forms.CharField(
        label=_("Reference"),
        max_length=100,
        error_messages={"required": _("Enter the number of the order.")},
    )

    def __init__(self, *args: Any, contract: Contract, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.contract = contract

    def clean(self) -> dict[str, Any]:
        super().clean()
        currency = self.contract.currency
        amount = self.parse_amount(currency)
        try:
            if amount is not None:
                terminal = conf.current().terminal(self.contract.terminal)
                validate_amount(amount, currency, terminal)
        except ValidationError as error:
            self.add_error("amount", error)
        except TerminalNotConfigured as error:
            self.add_error(None, error_text(error))
        return self.cleaned_data


class ReasonForm(NoCardNumbersForm):
    """The reason of a decision by staff."""

    reason = forms.CharField(
        label=_("Reason"), max_length=300, error_messages={"required": _("Write why.")}
    )


class ResolveForm(ReasonForm):
    """The decision on a review, and its reason."""

    state = forms.ChoiceField(label=_("It is"))

    def __init__(
        self, *args: Any, choices: Sequence[tuple[str, Any]], **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.fields["state"].choices = choices  # type: ignore[attr-defined]
