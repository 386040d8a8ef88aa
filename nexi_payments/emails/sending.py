"""Render and send customer emails, through Django's email backend.

``emails.automatic`` decides on automatic ones; staff send others from the admin.
"""

from __future__ import annotations

import logging
from datetime import date
from typing import Any, Final

from django.core import mail
from django.core.mail import EmailMultiAlternatives
from django.template import TemplateDoesNotExist
from django.template.loader import get_template, render_to_string
from django.utils import timezone, translation

from nexi_payments import conf, money, shop_time
from nexi_payments.enums import Channel, ContractKind
from nexi_payments.models import PaymentOrder

log = logging.getLogger("nexi_payments.emails.sending")

#: Seconds to wait for the mail server if EMAIL_TIMEOUT is not set.
_SMTP_TIMEOUT: Final = 10


def send(
    order: PaymentOrder, template: str, recipient: str, language: str, **more: Any
) -> bool:
    """Render ``email/<template>.txt`` for ``order`` and send it.

    False if the mail server did not accept it; the log has the reason.
    """
    with translation.override(language), timezone.override(shop_time.zone()):
        amount = money.display_with_symbol(order.amount, order.currency)
        context = {
            "order": order,
            "amount": amount,
            "subscription": _subscription(order),
            **more,
        }
        return _dispatch(template, recipient, context, f"order {order.order_id}")


def _subscription(order: PaymentOrder) -> str:
    """What a recurring charge is for, in the shop's words; "" for other payments."""
    contract = order.contract if order.channel == Channel.MIT else None
    if contract is None or contract.kind != ContractKind.SCHEDULED:
        return ""
    return order.description or contract.reference or contract.contract_id


def send_card_expiry_notice(
    recipient: str, language: str, *, brand: str, last4: str, expiry: str
) -> bool:
    """Send the notice that a saved card expires.

    ``expiry``: MMYY, the last month in which the card is valid. False as ``send``.
    """
    month = date(2000 + int(expiry[2:]), int(expiry[:2]), 1)
    with translation.override(language):
        context = {"brand": brand, "last4": last4, "month": month}
        return _dispatch("card_expires", recipient, context, f"card ••••{last4}")


def _dispatch(
    template: str, recipient: str, context: dict[str, Any], about: str
) -> bool:
    """Send text and, if there is an HTML template, HTML. Line 1 is the subject.

    Backends and templates of the host raise errors of their own: none may cost more
    than the email.
    """
    try:
        context["merchant"] = conf.current().merchant_name
        text = render_to_string(f"nexi_payments/email/{template}.txt", context)
        subject, _, body = text.strip().partition("\n")
        connection = _mailer()
        if getattr(connection, "timeout", 0) is None:
            connection.timeout = _SMTP_TIMEOUT  # Django's default waits without limit
        message = EmailMultiAlternatives(
            subject=subject.strip(),
            body=body.lstrip(),
            to=[recipient],
        )
        if html := _render_html(template, context):
            message.attach_alternative(html, "text/html")
        return bool(connection.send_messages([message]) == 1)
    except Exception as error:
        log.error("email for %s: %s", about, type(error).__name__)
        return False


def _mailer() -> Any:
    """The backend of the project: ``MAILERS`` of Django 6.1, or ``EMAIL_BACKEND``."""
    mailers = getattr(mail, "mailers", None)
    return mail.get_connection() if mailers is None else mailers.default


def _render_html(template: str, context: dict[str, Any]) -> str:
    try:
        page = get_template(f"nexi_payments/email/{template}.html")
    except TemplateDoesNotExist:
        return ""
    return page.render(context).strip()
