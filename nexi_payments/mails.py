"""Mails to the customer: a link to pay with, or a receipt. Sent with Django's mail."""

from __future__ import annotations

import logging
import smtplib
from typing import Any

from django.core.mail import EmailMessage
from django.template.loader import render_to_string
from django.utils import formats, translation

from nexi_payments import money
from nexi_payments.models import PaymentOrder

log = logging.getLogger("nexi_payments.mails")


def send(
    order: PaymentOrder, template: str, recipient: str, language: str, **more: Any
) -> bool:
    """Renders ``mail/<template>.txt``, whose first line is the subject, and sends it.

    False when the mail server did not take it; the reason is in the log.
    """
    with translation.override(language):
        text = render_to_string(
            f"nexi_payments/mail/{template}.txt",
            {"order": order, "amount": amount_in_words(order), **more},
        )
    subject, _, body = text.strip().partition("\n")
    mail = EmailMessage(subject=subject.strip(), body=body.lstrip(), to=[recipient])
    try:
        return mail.send() == 1
    except (OSError, smtplib.SMTPException, ValueError) as error:
        # ValueError: an address that the mail package cannot put into a header
        log.error("mail for order %s: %s", order.order_id, type(error).__name__)
        return False


def amount_in_words(order: PaymentOrder, minor: int | None = None) -> str:
    """``1250`` → "12.50 EUR", as the reader's language writes numbers."""
    value = order.amount if minor is None else minor
    number = formats.number_format(
        money.to_major(value, order.currency),
        money.exponent(order.currency),
        force_grouping=True,
    )
    return f"{number} {order.currency}"
