"""Mails to the customer, sent with Django's mail: what they say, and off they go.

Which one goes out when by itself is in ``notices``; the desk sends its own.
"""

from __future__ import annotations

import logging
import smtplib
from datetime import date
from typing import Any, Final

from django.core.mail import EmailMultiAlternatives, get_connection
from django.template import TemplateDoesNotExist
from django.template.loader import get_template, render_to_string
from django.utils import formats, translation

from nexi_payments import conf, money
from nexi_payments.models import PaymentOrder

log = logging.getLogger("nexi_payments.mails")

#: Seconds for a mail server, where EMAIL_TIMEOUT says nothing.
_PATIENCE: Final = 10


def send(
    order: PaymentOrder, template: str, recipient: str, language: str, **more: Any
) -> bool:
    """Renders ``mail/<template>.txt`` about ``order`` and sends it.

    False when the mail server did not take it; the reason is in the log.
    """
    with translation.override(language):
        context = {"order": order, "amount": amount_in_words(order), **more}
        return _dispatch(template, recipient, context, f"order {order.order_id}")


def card_expires(
    recipient: str, language: str, *, brand: str, last4: str, expiry: str
) -> bool:
    """The notice that a card on file expires. ``expiry`` is MMYY, the last month in
    which the card is good. False as ``send``."""
    month = date(2000 + int(expiry[2:]), int(expiry[:2]), 1)
    with translation.override(language):
        context = {"brand": brand, "last4": last4, "month": month}
        return _dispatch("card_expires", recipient, context, f"card ••••{last4}")


def _dispatch(
    template: str, recipient: str, context: dict[str, Any], about: str
) -> bool:
    """The first line of the text is the subject; HTML goes along where there is any."""
    context["merchant"] = conf.current().merchant_name
    text = render_to_string(f"nexi_payments/mail/{template}.txt", context)
    subject, _, body = text.strip().partition("\n")
    try:
        connection: Any = get_connection()
        if getattr(connection, "timeout", 0) is None:
            connection.timeout = _PATIENCE  # Django's own would wait for ever
        mail = EmailMultiAlternatives(
            subject=subject.strip(),
            body=body.lstrip(),
            to=[recipient],
            connection=connection,
        )
        if html := _html(template, context):
            mail.attach_alternative(html, "text/html")
        return mail.send() == 1
    except (OSError, smtplib.SMTPException, ValueError) as error:
        # ValueError: an address that the mail package cannot put into a header
        log.error("mail for %s: %s", about, type(error).__name__)
        return False


def _html(template: str, context: dict[str, Any]) -> str:
    try:
        page = get_template(f"nexi_payments/mail/{template}.html")
    except TemplateDoesNotExist:
        return ""
    return page.render(context).strip()


def amount_in_words(order: PaymentOrder, minor: int | None = None) -> str:
    """``1250`` → "12.50 EUR", as the reader's language writes numbers."""
    value = order.amount if minor is None else minor
    number = formats.number_format(
        money.to_major(value, order.currency),
        money.exponent(order.currency),
        force_grouping=True,
    )
    return f"{number} {order.currency}"
