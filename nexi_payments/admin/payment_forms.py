"""Forms on the page of a payment: a refund with its reason, a note, an email."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from nexi_payments import conf
from nexi_payments.admin.forms import (
    CARD_NUMBER_NOT_ALLOWED,
    AmountForm,
    NoCardNumbersForm,
)
from nexi_payments.enums import RefundReason
from nexi_payments.models import PaymentOrder
from nexi_payments.pan_scanner import contains_card_number
from nexi_payments.web import languages


class RefundForm(AmountForm, NoCardNumbersForm):
    """The amount of a refund, and its reason: one of the list, or words.

    ``cleaned_data["why"]`` is the reason that ``flows.refund`` takes.
    """

    reason = forms.ChoiceField(
        choices=[("", ""), *RefundReason.choices],
        required=False,
        error_messages={"invalid_choice": _("Choose a reason of the list.")},
    )
    reason_text = forms.CharField(max_length=300, required=False)

    def clean(self) -> dict[str, Any]:
        data = super().clean()
        words = data.get("reason_text", "")
        data["why"] = words or data.get("reason", "")
        if not words and data["why"] == RefundReason.OTHER:
            self.add_error("reason_text", _("Write the other reason."))
        missing = not (data["why"] or self.errors.keys() & {"reason", "reason_text"})
        if missing and conf.current().refund_reason_required:
            self.add_error("reason", _("Choose why you refund."))
        return data


class NoteForm(NoCardNumbersForm):
    """A note on a payment."""

    note = forms.CharField(
        label=_("Note"),
        max_length=300,
        error_messages={"required": _("Write the note.")},
    )


class EmailForm(forms.Form):
    """Recipient and language of an email."""

    email = forms.EmailField(label=_("E-mail"), max_length=254)
    language = forms.ChoiceField(label=_("Language"))

    def __init__(self, *args: Any, order: PaymentOrder, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["email"].initial = order.customer_email
        self.fields["language"].choices = list(languages.offered())  # type: ignore[attr-defined]
        self.fields["language"].initial = languages.default()

    def clean_email(self) -> str:
        email: str = self.cleaned_data["email"]
        if contains_card_number(email):
            raise ValidationError(CARD_NUMBER_NOT_ALLOWED)
        return email
