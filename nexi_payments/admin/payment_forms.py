"""Forms on the page of a payment: a refund with its reason, a note."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from nexi_payments import conf
from nexi_payments.admin.forms import AmountForm, NoCardNumbersForm
from nexi_payments.enums import RefundReason


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
