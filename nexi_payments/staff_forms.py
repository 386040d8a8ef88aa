"""The forms of the desk and of what staff do after a payment. No card but in
``DeskCardForm`` and ``CheckForm``; any text that holds a card number is refused."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

from django import forms
from django.conf import settings as django_settings
from django.core.exceptions import ValidationError
from django.utils import translation
from django.utils.translation import gettext_lazy as _

from nexi_payments import conf, money
from nexi_payments.card import holds_card_number
from nexi_payments.exceptions import InvalidAmount
from nexi_payments.forms import CardForm
from nexi_payments.models import Contract, PaymentOrder

NO_CARD_HERE = _("This looks like a card number. It must not be written here.")


class _Texts(forms.Form):
    """Every field refuses card numbers, and does not show one again."""

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        for name in self.fields:
            raw = str(self.data.get(self.add_prefix(name), ""))
            if holds_card_number(raw):
                self._forget(name)
                self.errors.pop(name, None)
                self.add_error(name, NO_CARD_HERE)
        return data

    def _forget(self, name: str) -> None:
        kept = {**self.data, self.add_prefix(name): ""}
        self.data = kept


def focus_first(form: forms.Form) -> None:
    """Puts the cursor where to go on: on the first mistake, else on the first empty
    field. Done here, so that it needs no script."""
    shown = form.visible_fields()
    wrong = [field for field in shown if field.errors]
    empty = [field for field in shown if not field.value()]
    for field in (wrong or empty)[:1]:
        field.field.widget.attrs["autofocus"] = True


class _Amount(forms.DecimalField):
    """Major units, written as the clerk's language writes them."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            min_value=Decimal("0.001"),
            max_digits=15,
            decimal_places=3,
            localize=True,
            widget=forms.TextInput(attrs={"inputmode": "decimal", "size": 12}),
            error_messages={
                "required": _("Enter the amount."),
                "invalid": _("Enter an amount like 12.50."),
                "min_value": _("The amount must be more than zero."),
                "max_digits": _("This amount is too large."),
                "max_whole_digits": _("This amount is too large."),
                "max_decimal_places": _("There are too many decimals."),
            },
            **kwargs,
        )


def moto_terminals() -> list[conf.Terminal]:
    """The terminals that take phone orders, in the order of the settings."""
    return [one for one in conf.current().terminals.values() if one.moto]


def check_terminals() -> list[conf.Terminal]:
    """Where a card may be verified: anywhere; where callers are charged comes first."""
    every = conf.current().terminals.values()
    return sorted(every, key=lambda one: not one.moto)


def _offer_terminals(form: forms.Form, terminals: Sequence[conf.Terminal]) -> None:
    """Its choices of currency and terminal; of one terminal there is no choice."""
    known: dict[str, None] = {}
    for one in terminals:
        known |= dict.fromkeys(one.currencies or ("EUR", *money.CURRENCIES))
    names = [one.name for one in terminals]
    for field, values in (("currency", known), ("terminal", names)):
        form.fields[field].choices = [(value, value) for value in values]  # type: ignore[attr-defined]
    if len(names) < 2:
        form.fields["terminal"].widget = forms.HiddenInput()


class MotoOrderForm(_Texts):
    """What is being paid, and by whom. The card comes on a page of its own."""

    amount = _Amount(label=_("Amount"))
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

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.terminals = moto_terminals()
        _offer_terminals(self, self.terminals)
        for name in ("reference", "description", "customer_name", "customer_email"):
            self.fields[name].widget.attrs["autocomplete"] = "off"

    def clean_terminal(self) -> str:
        return self.cleaned_data["terminal"] or self.terminals[0].name

    def clean(self) -> dict[str, Any]:
        data = super().clean()
        if {"amount", "currency", "terminal"} <= data.keys():
            line = conf.current().terminal(data["terminal"])
            try:
                refuse_amount(data["amount"], data["currency"], line)
            except ValidationError as error:
                self.add_error("amount", error)
        return data


def refuse_amount(amount: Decimal, currency: str, line: conf.Terminal) -> None:
    """What the terminal does not take, in words for the clerk."""
    _refuse_currency(currency, line)
    try:
        money.to_minor(amount, currency)
    except InvalidAmount:
        raise ValidationError(
            _("%(currency)s has %(digits)s decimals."),
            params={"currency": currency, "digits": money.exponent(currency)},
        ) from None
    if line.max_amount is not None and amount > line.max_amount:
        raise ValidationError(
            _("This desk takes at most %(most)s %(currency)s at once."),
            params={"most": line.max_amount, "currency": currency},
            code="ceiling",
        )


def _refuse_currency(currency: str, line: conf.Terminal) -> None:
    if line.currencies and currency not in line.currencies:
        raise ValidationError(
            _("Terminal %(name)s does not take %(currency)s."),
            params={"name": line.name, "currency": currency},
        )


def _unremembered(fields: Iterable[tuple[str, forms.Field]]) -> None:
    """A card as the caller reads it out: nothing is remembered by the browser."""
    for name, field in fields:
        field.widget.attrs["autocomplete"] = "off"
        if name in ("card_number", "security_code"):
            field.widget.attrs["class"] = "nexi-masked"


class DeskCardForm(CardForm):
    """The card of a phone order."""

    knowingly = forms.BooleanField(
        label=_("Charge the same card and amount once more: the caller wants it"),
        required=False,
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _unremembered(self.fields.items())


class CheckForm(CardForm):
    """A card that is verified for nothing, and where."""

    #: what was posted is not repeated: it may be anything
    _CHOOSE = {"invalid_choice": _("Choose one of the list.")}
    currency = forms.ChoiceField(label=_("Currency"), error_messages=_CHOOSE)
    terminal = forms.ChoiceField(
        label=_("Terminal"), required=False, error_messages=_CHOOSE
    )
    nonce = forms.CharField(required=False, widget=forms.HiddenInput)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.terminals = check_terminals()
        _offer_terminals(self, self.terminals)
        _unremembered(self.fields.items())

    def clean_terminal(self) -> str:
        return self.cleaned_data["terminal"] or self.terminals[0].name

    def clean(self) -> dict[str, Any]:
        data = super().clean()
        if self.card is not None:
            try:
                line = conf.current().terminal(data["terminal"])
                _refuse_currency(data["currency"], line)
            except ValidationError as error:
                self.card = None
                self.add_error("currency", error)
        return data


class AmountForm(forms.Form):
    """How much to capture or give back, and what the clerk saw to be left."""

    amount = _Amount(label=_("Amount"))
    seen = forms.DecimalField(widget=forms.HiddenInput, max_digits=15, decimal_places=3)
    capture = forms.IntegerField(required=False, widget=forms.HiddenInput)
    nonce = forms.CharField(max_length=32, required=False, widget=forms.HiddenInput)


class ContractChargeForm(_Texts):
    """One charge to a card on file."""

    amount = _Amount(label=_("Amount"))
    reference = forms.CharField(
        label=_("Reference"),
        max_length=100,
        error_messages={"required": _("Enter the number of the order.")},
    )

    def __init__(self, *args: Any, contract: Contract, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.contract = contract

    def clean_amount(self) -> Decimal:
        amount: Decimal = self.cleaned_data["amount"]
        line = conf.current().terminal(self.contract.terminal)
        refuse_amount(amount, self.contract.currency, line)
        return amount


class ResolveForm(_Texts):
    """How a review ends, and why."""

    state = forms.ChoiceField(label=_("It is"))
    reason = forms.CharField(
        label=_("Reason"),
        max_length=300,
        widget=forms.TextInput(attrs={"size": 60, "autocomplete": "off"}),
        error_messages={"required": _("Write why.")},
    )

    def __init__(
        self, *args: Any, choices: Sequence[tuple[str, Any]], **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.fields["state"].choices = choices  # type: ignore[attr-defined]


class MailForm(forms.Form):
    """Where a link or a receipt goes, and in which language."""

    email = forms.EmailField(label=_("E-mail"), max_length=254)
    language = forms.ChoiceField(label=_("Language"))

    def __init__(self, *args: Any, order: PaymentOrder, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["email"].initial = order.customer_email
        self.fields["language"].choices = list(django_settings.LANGUAGES)  # type: ignore[attr-defined]
        self.fields["language"].initial = translation.get_language()

    def clean_email(self) -> str:
        email: str = self.cleaned_data["email"]
        if holds_card_number(email):
            raise ValidationError(NO_CARD_HERE)
        return email
