"""The card page as a test sees it: what it asks for, and why it took no card."""

from __future__ import annotations

from typing import Any

from nexi_payments.models import PaymentOrder
from nexi_payments.web import card_consent


class PaymentNotStarted(AssertionError):
    """The card page took no card: the order is as it was, and nothing was sent."""

    def __init__(self, page: Any) -> None:
        super().__init__(
            f"the payment was not started, and nothing was charged. The card page"
            f" ({page.status_code}) says: {'; '.join(refusals(page)) or 'nothing'}"
        )


def consent_fields(order: PaymentOrder) -> dict[str, str]:
    """Return the tick under the terms of a contract, if the card page asks for it."""
    return {"agree": "on"} if card_consent.consent_text(order) else {}


def refusals(page: Any) -> list[str]:
    """Return the form errors of a page ("field: text"), and its notice."""
    context = page.context or {}
    form, notice = context.get("form"), context.get("notice")
    errors = form.errors.items() if form is not None else ()
    found = [f"{name}: {text}" for name, texts in errors for text in texts]
    return [*found, *([f"{notice.title}: {notice.text}"] if notice else [])]
